//! Answers that are kept, and how long they are believed.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use moka::sync::Cache;
use tokio::time::Instant;

use crate::limits;

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CachePolicy {
    /// As old as the DNS allows, within a bound: of names that belong to others.
    Usual,
    /// Of an administrator's own server, which may move whenever its container is started.
    OwnServer,
    /// It must be asked for now.
    Anew,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RecordKey {
    pub(super) name: Name,
    pub(super) kind: RecordType,
}

/// What was answered; failures are no answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LookupAnswer {
    /// At least one.
    Records(Arc<[RData]>),
    NoRecord,
    NoName,
}

/// Answers that may be given again.
#[derive(Debug)]
pub(super) struct DnsCache {
    answers: Cache<RecordKey, CachedAnswer>,
}

#[derive(Clone, Debug)]
struct CachedAnswer {
    answer: LookupAnswer,
    at: Instant,
    /// How long the DNS lets it be kept.
    ttl: Duration,
}

impl Default for DnsCache {
    fn default() -> Self {
        let answers = Cache::builder()
            .max_capacity(limits::DNS_KEPT_BYTES)
            .weigher(weight)
            .build();
        Self { answers }
    }
}

impl DnsCache {
    pub(super) fn get(&self, key: &RecordKey, freshness: CachePolicy) -> Option<LookupAnswer> {
        let entry = self.answers.get(key)?;
        let bound = match (freshness, &entry.answer) {
            (CachePolicy::Anew, _) => return None,
            (CachePolicy::OwnServer, LookupAnswer::Records(_)) => limits::DNS_OWN_AGE,
            (CachePolicy::OwnServer, _) => limits::DNS_OWN_ABSENT_AGE,
            (CachePolicy::Usual, LookupAnswer::Records(_)) => limits::DNS_FOUND_AGE,
            (CachePolicy::Usual, LookupAnswer::NoRecord | LookupAnswer::NoName) => {
                limits::DNS_ABSENT_AGE
            }
        };
        (entry.at.elapsed() < entry.ttl.min(bound)).then_some(entry.answer)
    }

    /// Keeps an answer that may be kept so long.
    pub(super) fn keep(&self, key: RecordKey, answer: &LookupAnswer, ttl: Duration) {
        if ttl.is_zero() {
            self.answers.invalidate(&key);
            return;
        }
        let entry = CachedAnswer {
            answer: answer.clone(),
            at: Instant::now(),
            ttl,
        };
        self.answers.insert(key, entry);
    }

    /// Forgets one answer.
    pub(super) fn forget(&self, key: &RecordKey) {
        self.answers.invalidate(key);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.answers.invalidate_all();
    }
}

/// About how many bytes an entry takes.
fn weight(key: &RecordKey, entry: &CachedAnswer) -> u32 {
    const ENTRY_BYTES: usize = 256;
    let data = match &entry.answer {
        LookupAnswer::Records(records) => records.iter().map(size).sum(),
        LookupAnswer::NoRecord | LookupAnswer::NoName => 0,
    };
    u32::try_from(ENTRY_BYTES + key.name.len() + data).unwrap_or(u32::MAX)
}

fn size(data: &RData) -> usize {
    let beside = match data {
        RData::MX(mx) => mx.exchange.len(),
        RData::TXT(text) => text.txt_data.iter().map(|part| part.len() + 16).sum(),
        _ => 0,
    };
    size_of::<RData>() + beside
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::A;

    use super::*;

    fn key(name: &str) -> RecordKey {
        RecordKey {
            name: Name::from_ascii(name).expect("a name"),
            kind: RecordType::A,
        }
    }

    fn found() -> LookupAnswer {
        LookupAnswer::Records(Arc::new([RData::A(A::new(192, 0, 2, 1))]))
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_as_long_as_its_purpose_allows() {
        use CachePolicy::{Anew, OwnServer, Usual};
        let short = Duration::from_secs(7);
        for (answer, ttl, freshness, lasts) in [
            (found(), DAY, Usual, limits::DNS_FOUND_AGE),
            (found(), DAY, OwnServer, limits::DNS_OWN_AGE),
            (found(), DAY, Anew, Duration::ZERO),
            (found(), short, Usual, short),
            (LookupAnswer::NoName, DAY, Usual, limits::DNS_ABSENT_AGE),
            (LookupAnswer::NoRecord, DAY, Usual, limits::DNS_ABSENT_AGE),
            (found(), short, OwnServer, short),
            (
                LookupAnswer::NoName,
                DAY,
                OwnServer,
                limits::DNS_OWN_ABSENT_AGE,
            ),
            (LookupAnswer::NoName, Duration::ZERO, Usual, Duration::ZERO),
        ] {
            let kept = DnsCache::default();
            kept.keep(key("a.test."), &answer, ttl);
            if !lasts.is_zero() {
                tokio::time::advance(lasts - Duration::from_millis(1)).await;
                let got = kept.get(&key("A.test."), freshness);
                assert_eq!(got.as_ref(), Some(&answer), "{freshness:?} {ttl:?}");
                tokio::time::advance(Duration::from_millis(1)).await;
            }
            assert_eq!(
                kept.get(&key("a.test."), freshness),
                None,
                "{freshness:?} {ttl:?}"
            );
        }
    }

    #[test]
    fn what_is_forgotten_is_asked_for_again() {
        let kept = DnsCache::default();
        for name in ["a.test.", "b.test.", "c.test."] {
            kept.keep(key(name), &found(), DAY);
        }
        let is_kept = |name| kept.get(&key(name), CachePolicy::Usual).is_some();
        kept.forget(&key("b.test."));
        assert!(is_kept("a.test.") && !is_kept("b.test.") && is_kept("c.test."));
        kept.clear();
        assert!(!is_kept("a.test.") && !is_kept("c.test."));
        // Nothing that may not be kept stands in the place of what was.
        kept.keep(key("a.test."), &found(), DAY);
        kept.keep(key("a.test."), &LookupAnswer::NoName, Duration::ZERO);
        assert!(!is_kept("a.test."));
    }
}
