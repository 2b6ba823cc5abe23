//! The settings of the antispam condition.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{CONNECTIONS, DISABLES_FAST_PATH, ENABLED, TIMEOUT, WHEN_UNAVAILABLE, server};
use crate::settings::catalogue::{
    SettingKind as Kind, Switchable, group, setting, switchable, value,
};

use super::score::Score;
use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable,
};
use crate::settings::FieldErrors;
use crate::settings::service_address::ServiceAddress;

/// Asks a spam scanner what it thinks of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Antispam {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// Who is asked.
    pub engine: AntispamEngine,
    /// Where it listens; rspamd only on a TCP port.
    pub server: Option<ServiceAddress>,
    /// The longest wait for its answer.
    pub timeout_seconds: u64,
    /// Connections at one time.
    pub connections_max: u32,
    /// What rspamd advises is done, whatever the scores below; spamd advises nothing.
    pub follow_action: bool,
    /// Messages with this score or a higher one are tagged; none: no message is.
    pub tag_score: Option<Score>,
    /// Messages with this score or a higher one are put off; none: no message is.
    pub defer_score: Option<Score>,
    /// Messages with this score or a higher one are spam; none: no message is.
    pub refuse_score: Option<Score>,
    /// What happens to spam.
    pub when_spam_is_refused: WhenSpamIsRefused,
    /// What happens when the scanner cannot tell.
    pub when_unavailable: WhenUnavailable,
}

/// Who is asked about spam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AntispamEngine {
    /// rspamd, over HTTP.
    #[default]
    Rspamd,
    /// SpamAssassin's daemon, in its own protocol.
    Spamd,
}

/// What happens to a message that is to be refused as spam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenSpamIsRefused {
    /// Refused in the session.
    #[default]
    Refuse,
    /// Taken, and kept back in the queue until an operator decides.
    Quarantine,
}

impl Default for Antispam {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
            engine: AntispamEngine::Rspamd,
            server: None,
            timeout_seconds: 20,
            connections_max: 10,
            follow_action: true,
            // Where SpamAssassin takes a message for spam, and where rspamd refuses one, out of the box.
            tag_score: Some(Score::whole(5)),
            defer_score: None,
            refuse_score: Some(Score::whole(15)),
            when_spam_is_refused: WhenSpamIsRefused::Refuse,
            when_unavailable: WhenUnavailable::Defer,
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::Antispam,
    name: "antispam",
    title: "Antispam",
    summary: "Asks rspamd or SpamAssassin’s spamd what it thinks of a message: tags, puts off, refuses or quarantines what looks like spam. Fields X-Spam-Flag, X-Spam-Score and X-Spam-Symbols that came with a message are taken out: only ours are there.",
    groups: &[
        group("antispam", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
        ]),
        group("antispam", "The scanner", &[
            setting("engine", "Engine", "", Kind::Choice(&[
                value("rspamd", "rspamd", "It returns a score and an action, by its own thresholds."),
                value("spamd", "SpamAssassin’s spamd", "It returns a score only: the scores below apply, not its own threshold. A message with one recipient is checked with the preferences of that recipient."),
            ])),
            server("For rspamd the address of its worker “normal”, like 127.0.0.1:11333; for spamd like 127.0.0.1:783 or unix:/run/spamd.sock. For messages that are too large for the scanner the check is unavailable."),
            TIMEOUT,
            CONNECTIONS,
            WHEN_UNAVAILABLE,
        ]),
        group("antispam", "Action by score", &[
            setting("follow_action", "Action of rspamd", "", Kind::Choice(&[
                value("true", "Follow", "“add header” and “rewrite subject” tag a message, “soft reject” defers it, “reject” rejects it as spam, “quarantine” holds it. “greylist” accepts it: the greylisting of rspamd returns “soft reject” while a message has to wait. The scores below do not apply."),
                value("false", "Ignore", "The scores below apply, as they do with spamd."),
            ])),
            setting("tag_score", "Tag",
                "Deliver with the header fields X-Spam-Flag, X-Spam-Score and X-Spam-Symbols.",
                Kind::OrOff(&from("5.0"))),
            setting("defer_score", "Defer (451)",
                "The client keeps the message and tries again; it is deferred again as long as the score stays.",
                Kind::OrOff(&from("10.0"))),
            setting("refuse_score", "Reject as spam",
                "With all three off, messages are only scored: the trail shows the result.",
                Kind::OrOff(&from("15.0"))),
            setting("when_spam_is_refused", "Rejected spam", "", Kind::Choice(&[
                value("refuse", "Reject (554)", "In the session: the sender knows at once."),
                value("quarantine", "Quarantine", "Accept the message, tag it, and hold it in the queue until an operator releases or purges it."),
            ])),
        ]),
    ],
    lists: &[],
    settings: |written| &written.antispam,
};

/// From which score on something becomes of a message.
const fn from(usual: &'static str) -> Switchable {
    switchable("from a score of", Kind::Score, "", usual)
}

impl ConditionSettings for Antispam {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            disables_fast_path: self.disables_fast_path,
            needs_content: true,
            when_unavailable: self.when_unavailable,
            timeout: Some(Duration::from_secs(self.timeout_seconds)),
        }
    }

    fn validate(&self, _: &Directory, errors: &mut FieldErrors) {
        const SERVER: &str = "antispam.server";
        match (&self.server, self.engine) {
            (None, _) if self.enabled => errors.add(SERVER, "is needed to switch this on"),
            (Some(ServiceAddress::Unix(_)), AntispamEngine::Rspamd) => {
                errors.add(SERVER, "rspamd is asked over TCP: write host:port");
            }
            _ => {}
        }
        self.validate_scores(errors);
    }
}

impl Antispam {
    /// A score decides only when it is higher than those that decide less.
    fn validate_scores(&self, errors: &mut FieldErrors) {
        let mut lower: Option<(Score, &str)> = None;
        for (field, score, does) in [
            ("antispam.tag_score", self.tag_score, "tags"),
            ("antispam.defer_score", self.defer_score, "puts off"),
            ("antispam.refuse_score", self.refuse_score, "refuses"),
        ] {
            let Some(score) = score else {
                continue;
            };
            if let Some((than, what)) = lower.filter(|(than, _)| score <= *than) {
                let problem = format!("must be higher than the score that {what}, {than}");
                errors.add(field, problem);
            }
            lower = Some((score, does));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::SettingsDocument;
    use serde_json::{Value, json};

    use super::*;

    fn check(settings: Value, field: Option<&str>) {
        let antispam: Antispam = serde_json::from_value(settings.clone()).expect("it reads");
        let mut errors = FieldErrors::default();
        let document = SettingsDocument {
            antispam,
            ..SettingsDocument::default()
        };
        document.validate(&mut errors);
        let found: Vec<&String> = errors.0.keys().collect();
        let expected: Vec<String> = field
            .iter()
            .map(|field| format!("antispam.{field}"))
            .collect();
        assert_eq!(
            found,
            expected.iter().collect::<Vec<_>>(),
            "{settings}: {errors:?}"
        );
    }

    #[test]
    fn the_settings_are_checked() {
        check(json!({}), None);
        check(json!({"enabled": true}), Some("server"));
        check(json!({"enabled": true, "server": "127.0.0.1:11333"}), None);
        let socket = |engine: &str| json!({"server": "unix:/run/spamd.sock", "engine": engine});
        check(socket("rspamd"), Some("server"));
        check(socket("spamd"), None);
        check(json!({"timeout_seconds": 0}), Some("timeout_seconds"));
        check(json!({"connections_max": 0}), Some("connections_max"));
    }

    #[test]
    fn a_higher_score_decides_more() {
        let scores = |tag: Value, defer: Value, refuse: Value| json!({"tag_score": tag, "defer_score": defer, "refuse_score": refuse});
        check(scores(json!(4), json!(6.5), json!(6.51)), None);
        check(scores(json!(null), json!(null), json!(null)), None);
        check(scores(json!(5), json!(5), json!(6)), Some("defer_score"));
        check(
            scores(json!(5), json!(null), json!(4)),
            Some("refuse_score"),
        );
        check(
            scores(json!(null), json!(7), json!(6)),
            Some("refuse_score"),
        );
        check(scores(json!(0), json!(null), json!(15)), Some("tag_score"));
        check(
            scores(json!(-1), json!(null), json!(null)),
            Some("tag_score"),
        );
        check(
            scores(json!(5), json!(null), json!(1001)),
            Some("refuse_score"),
        );
    }
}
