//! The story of one message in sentences: what its trail says, told to a person. Pure.
//!
//! A sentence ends in the words of a server or of ours where there are any; they are kept apart, since
//! a page shows them as a quotation.

mod fate;
mod sentence;

use std::collections::HashMap;

use jiff::Timestamp;

use super::wording;
use crate::message::trail::Event;
use crate::store::{AnsweredRow, QueueItem, TrailEvent, TrailOfMessage};

pub(super) use fate::Fate;
pub(super) use sentence::{Mood, Sentence};

/// A message's story.
#[derive(Debug, PartialEq)]
pub(super) struct Story {
    /// What became of it, in a few words.
    pub(super) end: End,
    /// What concerns all recipients.
    pub(super) beginning: Vec<Sentence>,
    /// What concerns single ones; one chapter without a title when there is only one recipient.
    pub(super) chapters: Vec<Chapter>,
}

/// What became of the message.
#[derive(Debug, PartialEq)]
pub(super) struct End {
    pub(super) text: String,
    pub(super) mood: Mood,
}

/// What happened to one recipient.
#[derive(Debug, PartialEq)]
pub(super) struct Chapter {
    pub(super) recipient: String,
    pub(super) fate: Fate,
    pub(super) sentences: Vec<Sentence>,
    /// The row in the queue, when it still waits.
    pub(super) row: Option<i64>,
}

/// Tells the story of a trail. `waiting` are the message's rows in the queue, ages counted at `now`.
pub(super) fn tell(trail: &TrailOfMessage, waiting: &[QueueItem], now: Timestamp) -> Story {
    let mut chapters = chapters(&trail.events);
    for chapter in &mut chapters {
        let row = waiting
            .iter()
            .find(|row| row.recipient.eq_ignore_ascii_case(&chapter.recipient));
        if let Some(row) = row {
            chapter.row = Some(row.id.0);
            chapter.sentences.push(sentence::in_queue(row, now));
        }
    }
    let only = single(&chapters);
    let Some(answered) = &trail.answered else {
        return Story {
            end: end(None, &chapters),
            beginning: vec![sentence::unknown_beginning(only)],
            chapters,
        };
    };
    let mut beginning = vec![sentence::received(answered, only), sentence::way(answered)];
    let reply = sentence::reply(answered);
    match chapters.as_mut_slice() {
        [chapter] if answered.recipients <= 1 => {
            let place = answered_after(&trail.events);
            chapter.sentences.insert(place, reply);
        }
        _ => beginning.push(reply),
    }
    Story {
        end: end(Some(answered), &chapters),
        beginning,
        chapters,
    }
}

/// One chapter for each recipient, in the order in which they come up.
fn chapters(events: &[TrailEvent]) -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    let mut places = HashMap::new();
    for event in events {
        let place = *places
            .entry(event.recipient.to_ascii_lowercase())
            .or_insert_with(|| {
                chapters.push(Chapter {
                    recipient: event.recipient.clone(),
                    fate: Fate::Unknown,
                    sentences: Vec::new(),
                    row: None,
                });
                chapters.len() - 1
            });
        let chapter = &mut chapters[place];
        chapter.fate = Fate::after(&event.what);
        chapter.sentences.push(sentence::of(event));
    }
    chapters
}

fn single(chapters: &[Chapter]) -> Option<&str> {
    match chapters {
        [chapter] => Some(&chapter.recipient),
        _ => None,
    }
}

/// How many events of one recipient came before the reply. The trail holds no time of the reply, but
/// it says when a recipient was queued, which is the last thing before one; without a queue everything
/// comes before it, save what somebody did later.
fn answered_after(events: &[TrailEvent]) -> usize {
    let queued = events
        .iter()
        .rposition(|event| event.what == Event::Queued.as_str());
    queued.map_or(events.len(), |place| place + 1)
}

/// What became of it, from what became of its recipients.
fn end(answered: Option<&AnsweredRow>, chapters: &[Chapter]) -> End {
    let not_taken = answered.filter(|answered| answered.code / 100 != 2);
    let is_over = |chapter: &Chapter| chapter.fate != Fate::Delivered && chapter.row.is_none();
    if let Some(answered) = not_taken
        && chapters.iter().all(is_over)
    {
        let text = match answered.code / 100 {
            5 => "Refused: the sender was told so",
            _ => "Not taken: the sender keeps it and tries again",
        };
        return End {
            text: text.to_owned(),
            mood: Mood::Bad,
        };
    }
    let count = |fate| {
        chapters
            .iter()
            .filter(|chapter| chapter.fate == fate)
            .count() as u64
    };
    let present: Vec<Fate> = Fate::ALL
        .into_iter()
        .filter(|fate| count(*fate) > 0)
        .collect();
    let known = chapters.len() as u64;
    let text = match (present.as_slice(), known) {
        ([], _) => "Nothing is known of its recipients".to_owned(),
        ([fate], 1) => capitalised(fate.alone()),
        ([fate], all) => format!(
            "{} for all {} recipients",
            capitalised(fate.in_words()),
            wording::count(all)
        ),
        (several, all) => {
            let counts: Vec<String> = several
                .iter()
                .map(|fate| format!("{} {}", wording::count(count(*fate)), fate.in_words()))
                .collect();
            let counts = sentence::listed(&counts).unwrap_or_default();
            format!("Of {} recipients: {counts}", wording::count(all))
        }
    };
    let worst = [Mood::Bad, Mood::Neutral, Mood::Good]
        .into_iter()
        .find(|mood| present.iter().any(|fate| fate.mood() == *mood));
    End {
        text,
        mood: worst.unwrap_or(Mood::Neutral),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
#[path = "story_tests.rs"]
mod tests;
