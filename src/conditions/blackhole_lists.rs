//! Blackhole lists (RFC 5782): the client's address is looked up in lists that the DNS holds, all at
//! once, and the weights of those that have it decide.
//!
//! Each list has a breaker of its own, so that one that is down is not everybody's wait.

mod listing;
mod tally;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::{FutureExt as _, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{timeout, timeout_at};

use self::tally::ListTally;
use super::check::{CheckFn, Concerns, ConditionCheck, EnvelopeCheck};
use super::header::Field;
use super::service::{Asker, NoAnswer};
use super::services::Conditions;
use super::verdict::{CheckAnswer, CheckVerdict, Edit};
use super::words;
use crate::dns::{Dns, Records};
use crate::limits;
use crate::settings::Settings;
use crate::settings::conditions::BlackholeZone;
use crate::smtp::reply::Reply;

pub use listing::Listing;
pub use tally::Weighed;

/// The field that tags a message of a listed client.
const TAG: &str = "X-Blackhole-Lists";

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::ByEnvelope(|envelope, settings| {
        let address = envelope.client.address;
        let is_allowed = |address| settings.blackhole_lists.allows(address);
        !envelope.is_trusted(settings) && !address.is_none_or(is_allowed)
    }),
    tags: &[TAG],
    run: CheckFn::Envelope(|asked| Box::pin(check(asked))),
};

/// Looks the client up until the asker's deadline.
async fn check(asked: EnvelopeCheck<'_>) -> CheckVerdict {
    let EnvelopeCheck {
        conditions,
        settings,
        envelope,
        asker,
    } = asked;
    let Some(address) = envelope.client.address else {
        return CheckVerdict::pass();
    };
    let address = address.to_canonical();
    let deadline = asker.deadline;
    let tally = ask(conditions, settings, address, asker).await;
    let edits = tally.is_tagged().then(|| tag(&tally)).into_iter().collect();
    let sentence = sentence(&tally, address);
    match tally.weighed() {
        Weighed::Refuse => {
            let listed_by = tally.listed_by();
            let text = async {
                let zone = listed_by.first()?;
                text_of(&conditions.tools.dns, settings, address, zone).await
            };
            let text = timeout_at(deadline, text).await.ok().flatten();
            let reply = refusal(address, &listed_by, text);
            CheckVerdict::of(CheckAnswer::Refuse(reply), sentence)
        }
        Weighed::Tag | Weighed::Pass => CheckVerdict::with(edits, sentence),
        Weighed::Undecided => {
            let no_answer = match tally.has_left_out {
                true => NoAnswer::NotAsked(sentence),
                false => NoAnswer::CannotTell(sentence),
            };
            CheckVerdict {
                edits,
                ..CheckVerdict::without(no_answer)
            }
        }
    }
}

/// Asks all zones, until they have answered, enough of them have, or time is up.
async fn ask<'a>(
    conditions: &Conditions,
    settings: &'a Settings,
    address: IpAddr,
    asker: Asker,
) -> ListTally<'a> {
    let zones = &settings.blackhole_lists.zones;
    let services = conditions.blackhole_lists.of(settings);
    let dns = &conditions.tools.dns;
    let questions = zones.iter().zip(&services).enumerate();
    let mut questions: FuturesUnordered<_> = questions
        .map(|(position, (zone, service))| {
            let asker = asker.clone();
            async move {
                let question = look_up(dns, settings, address, zone).map(known);
                let neutral = look_up_test_point(dns, settings, zone);
                (position, service.ask(asker, question, neutral).await)
            }
        })
        .collect();
    let mut tally = ListTally::new(&settings.blackhole_lists);
    while let Some((position, answer)) = questions.next().await {
        match answer {
            Ok(listing) => tally.note(position, listing),
            Err(no_answer) => tally.note_unknown(position, no_answer),
        }
        // More weight would change nothing.
        if tally.weighed() == Weighed::Refuse {
            break;
        }
    }
    tally
}

async fn look_up(dns: &Dns, settings: &Settings, address: IpAddr, zone: &BlackholeZone) -> Listing {
    let name = listing::name_of(address, &zone.zone);
    let records = dns.ipv4(&settings.dns_servers, &name).await;
    read(zone, records)
}

/// The neutral question: what the zone says of the address that every zone is tested with (RFC 5782 §5).
/// Whatever it says, it answers.
async fn look_up_test_point(
    dns: &Dns,
    settings: &Settings,
    zone: &BlackholeZone,
) -> Result<(), String> {
    let name = listing::name_of(TEST_POINT, &zone.zone);
    let records = dns.ipv4_anew(&settings.dns_servers, &name).await;
    known(read(zone, records)).map(drop)
}

const TEST_POINT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn read(zone: &BlackholeZone, records: Records<Ipv4Addr>) -> Listing {
    match records {
        Records::Found(answers) => listing::read(zone, &answers),
        Records::NoName | Records::NoRecord => Listing::NotListed,
        Records::Failure(why) => Listing::Unknown(words::cut(&why)),
    }
}

fn known(listing: Listing) -> Result<Listing, String> {
    match listing {
        Listing::Unknown(why) => Err(why),
        listing => Ok(listing),
    }
}

/// RFC 5782 §2.1: what the zone says to people about the address; none when it says nothing.
async fn text_of(dns: &Dns, settings: &Settings, address: IpAddr, zone: &str) -> Option<String> {
    let name = listing::name_of(address, zone);
    match dns.texts(&settings.dns_servers, &name).await {
        Records::Found(texts) => texts
            .iter()
            .map(|text| words::cut(text))
            .find(|text| !text.is_empty()),
        Records::NoRecord | Records::NoName | Records::Failure(_) => None,
    }
}

fn refusal(address: IpAddr, listed_by: &[&str], text: Option<String>) -> Reply {
    let zones = words::cut(&listed_by.join(", "));
    let text = text.map(|text| format!(" ({text})")).unwrap_or_default();
    let words = format!("Refused: {address} is listed by {zones}{text}");
    Reply::refused_by_condition(words)
}

/// What there is to say for the trail; nothing of a client that no list has.
fn sentence(tally: &ListTally<'_>, address: IpAddr) -> String {
    let mut parts = tally.remarks();
    let listed_by = tally.listed_by();
    if !listed_by.is_empty() {
        let zones = words::cut(&listed_by.join(", "));
        let weight = tally.weight();
        let listed = format!("{address} is listed by {zones}, weight {weight}");
        parts.insert(0, listed);
    }
    parts.join(", ")
}

/// The field that says which lists have the client.
fn tag(tally: &ListTally<'_>) -> Edit {
    let zones = tally.listed_by().join(", ");
    let value = format!("{zones} (weight {})", tally.weight());
    Edit::Prepend(Field::new(TAG, &value))
}

/// An address looked up for whoever tries the lists out.
#[derive(Debug)]
pub struct TryOut {
    /// What each list says, in their order.
    pub lists: Vec<LookedUp>,
    /// The weight of those that list it.
    pub weight: u32,
    /// What would become of its messages.
    pub weighed: Weighed,
}

/// What one list says of an address.
#[derive(Debug)]
pub struct LookedUp {
    /// The list.
    pub zone: BlackholeZone,
    /// What it says.
    pub listing: Listing,
    /// What it says to people about an address that it lists.
    pub text: Option<String>,
}

impl Conditions {
    /// Looks an address up in the blackhole lists of these settings, to try them out. Bounded
    /// by [`limits::PROBE_WAIT`].
    pub async fn try_blackhole_lists(&self, settings: &Settings, address: IpAddr) -> TryOut {
        try_out(&self.tools.dns, settings, address).await
    }
}

/// Asks every list of the settings about an address, those that are left alone too. Bounded by
/// [`limits::PROBE_WAIT`], and by the time-out of the condition.
async fn try_out(dns: &Dns, settings: &Settings, address: IpAddr) -> TryOut {
    let lists = &settings.blackhole_lists;
    let wait = Duration::from_secs(lists.timeout_seconds).min(limits::PROBE_WAIT);
    let tries = lists.zones.iter().map(|zone| async move {
        let asked = async {
            let listing = look_up(dns, settings, address, zone).await;
            let text = match listing {
                Listing::Listed(_) => text_of(dns, settings, address, &zone.zone).await,
                _ => None,
            };
            (listing, text)
        };
        let (listing, text) = timeout(wait, asked).await.unwrap_or_else(|_| {
            let seconds = wait.as_secs();
            let why = format!("{}: no answer within {seconds} s", zone.zone);
            (Listing::Unknown(why), None)
        });
        LookedUp {
            zone: zone.clone(),
            listing,
            text,
        }
    });
    let found = join_all(tries).await;
    let mut tally = ListTally::new(lists);
    for (position, one) in found.iter().enumerate() {
        tally.note(position, one.listing.clone());
    }
    TryOut {
        weight: tally.weight(),
        weighed: tally.weighed(),
        lists: found,
    }
}
