//! Antispam: rspamd or SpamAssassin's spamd gives the message a score, and perhaps advice; the settings
//! say what that means for the message.
//!
//! Fields by which we tag spam are taken out of every message that is looked at, whatever comes of it:
//! they are ours, and whoever reads them behind us must be able to count on that. A sender could
//! otherwise say of its own spam that it is none.

mod rspamd;
mod spamd;

use super::check::{CheckFn, Concerns, ConditionCheck, MessageCheck};
use super::header::Field;
use super::verdict::{CheckAnswer, CheckVerdict, Edit};
use super::words;
use crate::settings::conditions::{Antispam, AntispamEngine, Score, WhenSpamIsRefused};
use crate::smtp::reply::Reply;

const FLAG: &str = "X-Spam-Flag";
const SCORE: &str = "X-Spam-Score";
const SYMBOLS: &str = "X-Spam-Symbols";
const TAGS: &[&str] = &[FLAG, SCORE, SYMBOLS];

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::All,
    tags: TAGS,
    run: CheckFn::Message(|asked| Box::pin(check(asked))),
};

/// What an engine says of a message.
#[derive(Debug, PartialEq, Eq)]
struct Opinion {
    score: Score,
    /// From which score on the engine itself takes a message for spam; none when it does not say.
    required: Option<Score>,
    /// What it advises, in its words; none when it never does.
    action: Option<String>,
    /// The names of the rules that hit, those that count most first; bounded.
    symbols: String,
}

/// Has the engine that the settings name look at the message until the deadline.
async fn check(asked: MessageCheck<'_>) -> CheckVerdict {
    let settings = &asked.settings.antispam;
    let Some(server) = &settings.server else {
        return CheckVerdict::of(CheckAnswer::CannotTell, "no server is set");
    };
    let most = settings.connections_max;
    let asker = asked.asker(settings.when_unavailable);
    let opinion = match settings.engine {
        AntispamEngine::Rspamd => {
            let service = asked.conditions.rspamd.at(server, most);
            let http = &asked.conditions.http;
            let question = rspamd::ask(http, server, &asked);
            let neutral = rspamd::ask_neutrally(http, server);
            service.ask(asker, question, neutral).await
        }
        AntispamEngine::Spamd => {
            let service = asked.conditions.spamd.at(server, most);
            let question = spamd::ask(server, asked.draft);
            let neutral = spamd::ask_neutrally(server);
            service.ask(asker, question, neutral).await
        }
    };
    opinion.map_or_else(CheckVerdict::without, |opinion| judge(&opinion, settings))
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpamAction {
    Pass,
    Tag,
    Defer,
    Quarantine,
    Refuse,
}

impl Opinion {
    /// What it means; none when it advises something that we do not know.
    fn step(&self, settings: &Antispam) -> Option<SpamAction> {
        let step = match &self.action {
            Some(action) if settings.follow_action => step_of(action)?,
            _ => self.step_by_score(settings),
        };
        match (step, settings.when_spam_is_refused) {
            (SpamAction::Refuse, WhenSpamIsRefused::Quarantine) => Some(SpamAction::Quarantine),
            _ => Some(step),
        }
    }

    fn step_by_score(&self, settings: &Antispam) -> SpamAction {
        let reaches = |score: Option<Score>| score.is_some_and(|score| self.score >= score);
        if reaches(settings.refuse_score) {
            SpamAction::Refuse
        } else if reaches(settings.defer_score) {
            SpamAction::Defer
        } else if reaches(settings.tag_score) {
            SpamAction::Tag
        } else {
            SpamAction::Pass
        }
    }

    /// For the trail and for operators: score, advice, rules.
    fn in_words(&self) -> String {
        let mut words = format!("score {}", self.score);
        if let Some(required) = self.required {
            words.push_str(&format!(" of {required}"));
        }
        if let Some(action) = &self.action {
            words.push_str(&format!(", action {}", words::cut(action)));
        }
        if !self.symbols.is_empty() {
            words.push_str(", ");
            words.push_str(&self.symbols);
        }
        words
    }

    /// The fields that tag a message, in the order in which they stand.
    fn fields(&self) -> Vec<Field> {
        let score = match self.required {
            Some(required) => format!("{} (required {required})", self.score),
            None => self.score.to_string(),
        };
        let mut fields = vec![Field::new(FLAG, "YES"), Field::new(SCORE, &score)];
        if !self.symbols.is_empty() {
            fields.push(Field::new(SYMBOLS, &self.symbols));
        }
        fields
    }
}

/// The actions of rspamd, and what each means for us.
fn step_of(action: &str) -> Option<SpamAction> {
    Some(match action {
        // As rspamd's own milter has it: as long as a message has to wait, its greylisting says “soft
        // reject”. “greylist” comes from one without greylisting, at every attempt, and a message that
        // we put off each time would never arrive.
        "no action" | "greylist" => SpamAction::Pass,
        "add header" | "rewrite subject" => SpamAction::Tag,
        "soft reject" => SpamAction::Defer,
        "quarantine" => SpamAction::Quarantine,
        // Nothing is thrown away without a word.
        "reject" | "discard" => SpamAction::Refuse,
        _ => return None,
    })
}

fn judge(opinion: &Opinion, settings: &Antispam) -> CheckVerdict {
    let words = opinion.in_words();
    let Some(step) = opinion.step(settings) else {
        let why = format!("its action is unknown: {words}");
        return CheckVerdict::of(CheckAnswer::CannotTell, why);
    };
    let answer = match step {
        SpamAction::Pass => return CheckVerdict::of(CheckAnswer::Pass, words),
        SpamAction::Defer => {
            let reply = Reply::deferred_by_condition("The message looks suspect, try again later");
            return CheckVerdict::of(CheckAnswer::Defer(reply), words);
        }
        SpamAction::Refuse => {
            let reply = Reply::refused_by_condition("Refused: the message looks like spam");
            return CheckVerdict::of(CheckAnswer::Refuse(reply), words);
        }
        SpamAction::Tag => CheckAnswer::Pass,
        // Tagged as well: an operator may release it.
        SpamAction::Quarantine => CheckAnswer::Quarantine,
    };
    // Each goes before all others: the last one first.
    let tags = opinion.fields().into_iter().rev().map(Edit::Prepend);
    CheckVerdict {
        edits: tags.collect(),
        ..CheckVerdict::of(answer, words)
    }
}

#[cfg(test)]
mod tests;
