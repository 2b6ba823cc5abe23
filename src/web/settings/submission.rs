//! What a form of settings sent.

use std::collections::HashMap;

use axum::extract::{FromRequest, Request};
use serde_json::Value;

use crate::settings::catalogue::{OFF, SettingKind};
use crate::web::error::PageError;
use crate::web::extract::FormBody;

/// Where a form carries what it showed of a field.
const SHOWN: &str = "shown.";
/// The name of the free entry beside the presets of a field.
const OTHER: &str = ".other";
/// The preset that means the free entry.
const OTHER_PRESET: &str = "other";
/// The name of the box that switches a bound on.
const SWITCH: &str = "on.";
/// The name of the box that removes a secret.
const REMOVAL: &str = "remove.";

/// What a form sent.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Submission(HashMap<String, String>);

/// Of a name that is there twice the last counts.
impl<S: Send + Sync> FromRequest<S> for Submission {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let FormBody(pairs) =
            FormBody::<Vec<(String, String)>>::from_request(request, state).await?;
        let pairs = pairs
            .into_iter()
            // Line ends are CRLF in every form.
            .map(|(name, text)| (name, text.replace("\r\n", "\n")))
            .collect();
        Ok(Self(pairs))
    }
}

impl Submission {
    /// The text under a name. Blanks around it mean nothing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim())
    }

    /// A button or a box under this name was pressed or ticked.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What the form showed of a setting.
    pub(super) fn shown(&self, name: &str) -> Option<&str> {
        self.text(&format!("{SHOWN}{name}"))
    }

    /// What is to become of a secret: another text, whose blanks are its own, or none; nothing when it
    /// is to stay, because none was typed.
    pub(super) fn secret(&self, name: &str) -> Option<Value> {
        if self.has(&format!("{REMOVAL}{name}")) {
            return Some(Value::Null);
        }
        let typed = self.0.get(name).filter(|text| !text.is_empty())?;
        Some(typed.as_str().into())
    }

    /// What was typed for a setting; none when the form had no such field.
    pub(super) fn typed(
        &self,
        name: &str,
        kind: SettingKind,
    ) -> Option<Result<&str, (&str, &'static str)>> {
        let chosen = self.text(name)?;
        let presets = match kind {
            SettingKind::SizeOf(_, presets) => presets,
            // A box that is not ticked is not sent.
            SettingKind::OrOff(_) if !self.has(&format!("{SWITCH}{name}")) => {
                return Some(Ok(OFF));
            }
            _ => return Some(Ok(chosen)),
        };
        let other = self.text(&format!("{name}{OTHER}")).unwrap_or_default();
        let shown = self.shown(name).unwrap_or_default();
        let is_preset = |text: &str| presets.iter().any(|preset| preset.value == text);
        let (shown_choice, shown_other) = if is_preset(shown) {
            (shown, "")
        } else {
            (OTHER_PRESET, shown)
        };
        // Without a script, who types into the free entry may leave the preset chosen above it.
        Some(match chosen {
            OTHER_PRESET => Ok(other),
            preset if other.is_empty() || other == shown_other => Ok(preset),
            preset if preset == shown_choice => Ok(other),
            _ => Err((other, "choose a preset or type a size, not both")),
        })
    }
}
