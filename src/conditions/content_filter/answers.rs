//! What the rules say of a message, and what follows from that.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::conditions::header::Field;
use crate::conditions::service::NoAnswer;
use crate::conditions::words;
use crate::message::Reservation;
use crate::mime::encoded_word::decoded;
use crate::mime::parts::{LeafPart, walk};
use crate::settings::conditions::{Consequence, PreparedRule, RuleCriterion};
use crate::settings::quantity::write_size;

const TOO_LONG: &str = "looking into it takes too long";
pub(super) const NO_MEMORY: &str = "there is no memory for looking into it";

/// What one rule says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSays {
    /// It matches this of it.
    Matches(String),
    /// It does not match.
    DoesNotMatch,
    /// Nobody knows, and why.
    CannotBeAsked(String),
    /// It was not asked: an earlier one matches.
    NotAsked,
}

/// What all rules say of a message.
#[derive(Clone, Debug)]
pub struct RuleAnswers {
    rules: Arc<[PreparedRule]>,
    /// One for each rule.
    says: Vec<RuleSays>,
    /// Rules behind the first that matches are asked as well.
    is_thorough: bool,
    /// There was a place to ask them at, the message could be read, and others had left time for that:
    /// what could not be asked is the message's doing, not theirs.
    pub(super) had_time: bool,
}

/// What follows for a message.
#[derive(Debug)]
pub enum Ruling<'a> {
    /// No rule matches.
    Nothing,
    /// This is the first rule that matches, and what of the message it matches.
    Won(&'a PreparedRule, &'a str),
    /// What the rules say depends on one that could not be asked.
    CannotTell(&'a PreparedRule, &'a str),
}

impl RuleAnswers {
    /// Nothing was asked yet.
    pub(super) fn new(rules: Arc<[PreparedRule]>, is_thorough: bool) -> Self {
        Self {
            says: vec![RuleSays::NotAsked; rules.len()],
            rules,
            is_thorough,
            had_time: true,
        }
    }

    /// The rules with what they say, in their order.
    pub fn all(&self) -> impl Iterator<Item = (&PreparedRule, &RuleSays)> {
        self.rules.iter().zip(&self.says)
    }

    /// Asks what header and size answer, until `deadline`.
    pub(super) fn ask_about_header(&mut self, fields: &[Field], bytes: u64, deadline: Instant) {
        let asks_header = |rule: &PreparedRule| {
            matches!(
                rule.criterion,
                RuleCriterion::Header(..) | RuleCriterion::AnyHeader(_)
            )
        };
        // Decoded once for all rules.
        let fields = match self.rules.iter().any(asks_header) {
            true => fields.iter().map(DecodedField::of).collect(),
            false => Vec::new(),
        };
        for (rule, says) in self.rules.iter().zip(&mut self.says) {
            let matched = match &rule.criterion {
                criterion if criterion.asks_parts() => continue,
                _ if Instant::now() >= deadline => {
                    *says = RuleSays::CannotBeAsked(TOO_LONG.to_owned());
                    continue;
                }
                criterion => of_header(criterion, &fields, bytes),
            };
            *says = match matched {
                Some(what) => RuleSays::Matches(words::cut(&what)),
                None => RuleSays::DoesNotMatch,
            };
            if !self.is_thorough && matches!(says, RuleSays::Matches(_)) {
                return;
            }
        }
    }

    /// The rules that are to be answered yet: those that only the message's parts can answer, and when
    /// another one matches already, of those only the ones before it.
    fn open(&self) -> Vec<usize> {
        let matches = |says: &RuleSays| matches!(says, RuleSays::Matches(_));
        let first = self.says.iter().position(matches);
        let end = first
            .filter(|_| !self.is_thorough)
            .unwrap_or(self.says.len());
        let asked = self.rules.iter().zip(&self.says).take(end).enumerate();
        asked
            .filter(|(_, (rule, says))| rule.criterion.asks_parts() && !matches(says))
            .map(|(position, _)| position)
            .collect()
    }

    /// Somebody has to look into the message's parts.
    pub(super) fn asks_parts(&self) -> bool {
        !self.open().is_empty()
    }

    /// Looks into the parts of a message until `deadline`, which is looked at between one search and the
    /// next. What is decoded is taken from the memory budget of `share`.
    pub(super) fn ask_about_parts(
        &mut self,
        content: &[u8],
        share: &Reservation,
        deadline: Instant,
    ) {
        let mut open = self.open();
        let mut asked = Ok(());
        let walked = walk(content, share, |part| {
            asked = self.ask_about_part(part, &open, share.another(), deadline);
            open = self.open();
            if asked.is_err() || open.is_empty() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        let trouble = asked.map_err(str::to_owned).and(walked).err();
        for position in open {
            self.says[position] = match &trouble {
                Some(why) => RuleSays::CannotBeAsked(why.clone()),
                None => RuleSays::DoesNotMatch,
            };
        }
    }

    /// What was not asked yet and would count cannot be asked.
    pub(super) fn cannot_be_asked(&mut self, no_answer: NoAnswer) {
        self.had_time &= matches!(no_answer, NoAnswer::CannotTell(_));
        let why = no_answer.to_string();
        for says in &mut self.says {
            match says {
                RuleSays::Matches(_) if !self.is_thorough => return,
                RuleSays::NotAsked => *says = RuleSays::CannotBeAsked(why.clone()),
                _ => {}
            }
        }
    }

    /// Asks about one part; its text is held by `share`, which is empty.
    ///
    /// # Errors
    /// Why not all was asked.
    fn ask_about_part(
        &mut self,
        part: &LeafPart<'_>,
        open: &[usize],
        mut share: Reservation,
        deadline: Instant,
    ) -> Result<(), &'static str> {
        // Decoded once, and only when somebody asks.
        let mut text = None;
        for &position in open {
            if Instant::now() >= deadline {
                return Err(TOO_LONG);
            }
            let matched = match &self.rules[position].criterion {
                RuleCriterion::Text(pattern) if part.is_text() => {
                    if text.is_none() && !share.grow(part.text_memory_bytes()) {
                        return Err(NO_MEMORY);
                    }
                    let text: &String = text.get_or_insert_with(|| part.text());
                    let found = pattern.is_match(text);
                    found.then(|| format!("{} matches", part.media_type))
                }
                RuleCriterion::AttachmentName(pattern) if part.is_attachment => {
                    let mut names = part.names.iter();
                    let name = names.find(|name| pattern.is_match(name));
                    name.map(|name| format!("“{name}” is attached"))
                }
                RuleCriterion::AttachmentType(pattern) if part.is_attachment => {
                    let found = pattern.is_match(&part.media_type);
                    found.then(|| format!("{} is attached", part.media_type))
                }
                _ => None,
            };
            if let Some(what) = matched {
                self.says[position] = RuleSays::Matches(words::cut(&what));
                if !self.is_thorough {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What follows: the first rule that matches wins. Where one before it could not be asked, only a
    /// refusal or a quarantine stands, and only when that one might not have let the message pass.
    #[must_use]
    pub fn ruling(&self) -> Ruling<'_> {
        let mut in_doubt = None;
        let mut might_pass = false;
        for (rule, says) in self.all() {
            match says {
                RuleSays::CannotBeAsked(why) => {
                    might_pass |= rule.consequence == Consequence::Pass;
                    in_doubt.get_or_insert((rule, why));
                }
                RuleSays::Matches(what) => {
                    let is_strict = matches!(
                        rule.consequence,
                        Consequence::Refuse(_) | Consequence::Quarantine
                    );
                    return match in_doubt {
                        Some((rule, why)) if might_pass || !is_strict => {
                            Ruling::CannotTell(rule, why)
                        }
                        _ => Ruling::Won(rule, what),
                    };
                }
                RuleSays::DoesNotMatch | RuleSays::NotAsked => {}
            }
        }
        match in_doubt {
            Some((rule, why)) => Ruling::CannotTell(rule, why),
            None => Ruling::Nothing,
        }
    }
}

/// A header field for those who search it.
struct DecodedField<'a> {
    field: &'a Field,
    value: String,
    /// `Name: value`
    whole: String,
}

impl<'a> DecodedField<'a> {
    fn of(field: &'a Field) -> Self {
        let value = decoded(&field.value());
        Self {
            field,
            whole: format!("{}: {value}", field.name()),
            value,
        }
    }
}

/// What of header or size a criterion matches.
fn of_header(criterion: &RuleCriterion, fields: &[DecodedField<'_>], bytes: u64) -> Option<String> {
    let mut fields = fields.iter();
    match criterion {
        RuleCriterion::Header(name, pattern) => fields
            .find(|one| one.field.is_named(name) && pattern.is_match(&one.value))
            .map(|_| format!("{name} matches")),
        RuleCriterion::AnyHeader(pattern) => fields
            .find(|one| pattern.is_match(&one.whole))
            .map(|one| format!("{} matches", one.field.name())),
        RuleCriterion::LargerThan(most) => {
            (bytes > *most).then(|| format!("{} is larger", write_size(bytes)))
        }
        RuleCriterion::Text(_)
        | RuleCriterion::AttachmentName(_)
        | RuleCriterion::AttachmentType(_) => None,
    }
}
