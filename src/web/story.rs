//! The story of one message in sentences: what its trail says, for a person. Pure.
//!
//! Where there is a reply, ours or that of a server, it ends the sentence; it is kept apart, since a page
//! shows it as a quotation.

mod recipient_status;
mod sentence;

use std::collections::HashMap;

use jiff::Timestamp;

use super::wording;
use crate::message::queue_listing::QueueItem;
use crate::message::trail::RecipientEvent;
use crate::message::trail_listing::{TrailEvent, TrailOfMessage};

pub(super) use recipient_status::{Mood, RecipientStatus};
pub(super) use sentence::Sentence;

/// A message's story.
#[derive(Debug, PartialEq)]
pub(super) struct Story {
    /// What became of it, in a few words.
    pub(super) end: StoryEnd,
    /// What concerns all recipients.
    pub(super) beginning: Vec<Sentence>,
    /// What concerns single recipients.
    pub(super) chapters: Vec<Chapter>,
}

/// What became of the message.
#[derive(Debug, PartialEq)]
pub(super) struct StoryEnd {
    pub(super) text: String,
    pub(super) mood: Mood,
}

/// What happened to one recipient.
#[derive(Debug, PartialEq)]
pub(super) struct Chapter {
    pub(super) recipient: String,
    pub(super) status: RecipientStatus,
    pub(super) sentences: Vec<Sentence>,
    /// Earlier events are left out.
    pub(super) is_shortened: bool,
    /// The row in the queue, when it still waits.
    pub(super) row: Option<i64>,
}

/// Tells the story of a trail. `waiting` are the message's rows in the queue, ages counted at `now`.
pub(super) fn tell(trail: &TrailOfMessage, waiting: &[QueueItem], now: Timestamp) -> Story {
    let mut chapters = chapters(trail);
    for chapter in &mut chapters {
        let row = waiting
            .iter()
            .find(|row| row.recipient.eq_ignore_ascii_case(&chapter.recipient));
        if let Some(row) = row {
            chapter.row = Some(row.id.0);
            chapter.sentences.push(sentence::in_queue(row, now));
        }
    }
    let end = end(trail, waiting);
    let only = single(trail, &chapters);
    let Some(answered) = &trail.answered else {
        let mut events = trail.events.iter();
        let made = events.find(|event| event.what == RecipientEvent::Made.as_str());
        return Story {
            end,
            beginning: vec![match made {
                Some(made) => sentence::made(&made.words),
                None => sentence::unknown_beginning(only),
            }],
            chapters,
        };
    };
    let mut beginning = vec![sentence::received(answered, only)];
    beginning.extend(sentence::examined(answered));
    beginning.push(sentence::way(answered));
    let reply = sentence::reply(answered);
    match chapters.as_mut_slice() {
        [chapter] if answered.recipients <= 1 && !chapter.is_shortened => {
            let place = answered_after(&trail.events);
            chapter.sentences.insert(place, reply);
        }
        _ => beginning.push(reply),
    }
    Story {
        end,
        beginning,
        chapters,
    }
}

/// One chapter for each recipient, in the order in which they come up.
fn chapters(trail: &TrailOfMessage) -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    let mut places = HashMap::new();
    for event in &trail.events {
        let place = *places
            .entry(event.recipient.to_ascii_lowercase())
            .or_insert_with(|| {
                chapters.push(Chapter {
                    recipient: event.recipient.clone(),
                    status: RecipientStatus::Unknown,
                    sentences: Vec::new(),
                    is_shortened: false,
                    row: None,
                });
                chapters.len() - 1
            });
        let chapter = &mut chapters[place];
        chapter.status = RecipientStatus::after(&event.what);
        chapter.sentences.push(sentence::of(event));
    }
    for recipient in &trail.shortened {
        if let Some(place) = places.get(&recipient.to_ascii_lowercase()) {
            chapters[*place].is_shortened = true;
        }
    }
    chapters
}

/// The recipient of a message that has only one.
fn single<'a>(trail: &TrailOfMessage, chapters: &'a [Chapter]) -> Option<&'a str> {
    match chapters {
        [chapter] if trail.ends.values().sum::<u64>() == 1 => Some(&chapter.recipient),
        _ => None,
    }
}

/// How many events of one recipient came before the reply. The trail holds no time of the reply, but
/// it says when a recipient was queued, which is the last thing before one; without a queue everything
/// comes before it, but for what an operator did later.
fn answered_after(events: &[TrailEvent]) -> usize {
    let queued = events
        .iter()
        .rposition(|event| event.what == RecipientEvent::Queued.as_str());
    queued.map_or(events.len(), |place| place + 1)
}

/// What became of it, from what became of all its recipients.
fn end(trail: &TrailOfMessage, waiting: &[QueueItem]) -> StoryEnd {
    let count = |status| -> u64 {
        let of_status = trail
            .ends
            .iter()
            .filter(|(what, _)| RecipientStatus::after(what) == status);
        of_status.map(|(_, recipients)| recipients).sum()
    };
    let not_taken = trail.answered.as_ref();
    let not_taken = not_taken.filter(|answered| answered.code / 100 != 2);
    if let Some(answered) = not_taken
        && count(RecipientStatus::Delivered) == 0
        && waiting.is_empty()
    {
        let text = match answered.code / 100 {
            5 => "Refused: the sender was told so",
            _ => "Not taken: the sender keeps it and tries again",
        };
        return StoryEnd {
            text: text.to_owned(),
            mood: Mood::Bad,
        };
    }
    let present: Vec<RecipientStatus> = RecipientStatus::ALL
        .into_iter()
        .filter(|status| count(*status) > 0)
        .collect();
    let known: u64 = trail.ends.values().sum();
    let text = match (present.as_slice(), known) {
        ([], _) => "Nothing is known of its recipients".to_owned(),
        ([status], 1) => wording::capitalised(status.alone()),
        ([status], all) => format!(
            "{} for all {} recipients",
            wording::capitalised(status.in_words()),
            wording::count(all)
        ),
        (several, all) => {
            let counts: Vec<String> = several
                .iter()
                .map(|status| format!("{} {}", wording::count(count(*status)), status.in_words()))
                .collect();
            let counts = sentence::listed(&counts).unwrap_or_default();
            format!("Of {} recipients: {counts}", wording::count(all))
        }
    };
    let worst = [Mood::Bad, Mood::Neutral, Mood::Good]
        .into_iter()
        .find(|mood| present.iter().any(|status| status.mood() == *mood));
    StoryEnd {
        text,
        mood: worst.unwrap_or(Mood::Neutral),
    }
}

#[cfg(test)]
#[path = "story_tests.rs"]
mod tests;
