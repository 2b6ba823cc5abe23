//! Which mail exchangers of a domain are tried, and in which order (RFC 5321 §5.1, RFC 7505). Pure.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::dns::Exchanger;
use crate::limits;

/// What a domain's MX records say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exchangers {
    /// These, best first.
    Hosts(Vec<Exchanger>),
    /// The domain takes no mail (RFC 7505).
    Null,
    /// The best exchanger is ourselves: nobody is left to give the message to.
    Ourselves,
}

/// Orders a domain's MX records, of which there is at least one: by preference, at random among
/// equals. Where we stand in the list ourselves, only what is better than us remains: otherwise a
/// message would go round.
pub(super) fn order(
    mut records: Vec<Exchanger>,
    hostname: &str,
    random: &mut impl Rng,
) -> Exchangers {
    if records.iter().all(|record| record.host.is_empty()) {
        return Exchangers::Null;
    }
    // RFC 7505 §3: a null MX beside others is a mistake of its owner, and means nothing.
    records.retain(|record| !record.host.is_empty());
    let own = records
        .iter()
        .filter(|record| record.host.eq_ignore_ascii_case(hostname))
        .map(|record| record.preference)
        .min();
    if let Some(own) = own {
        records.retain(|record| record.preference < own);
    }
    if records.is_empty() {
        return Exchangers::Ourselves;
    }
    records.shuffle(random);
    records.sort_by_key(|record| record.preference);
    Exchangers::Hosts(records)
}

/// The exchangers that one attempt looks up, at most [`limits::EXCHANGERS`], in their order. Of too many the worse
/// half is chosen anew each time, so that none is passed over for ever.
pub(super) fn choose(mut exchangers: Vec<Exchanger>, random: &mut impl Rng) -> Vec<Exchanger> {
    if exchangers.len() > limits::EXCHANGERS {
        exchangers[limits::EXCHANGERS / 2..].shuffle(random);
        exchangers.truncate(limits::EXCHANGERS);
        exchangers.sort_by_key(|exchanger| exchanger.preference);
    }
    exchangers
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::collections::HashSet;

    fn records(of: &[(u16, &str)]) -> Vec<Exchanger> {
        let records = of.iter().map(|&(preference, host)| Exchanger {
            preference,
            host: host.to_owned(),
        });
        records.collect()
    }

    fn check(of: &[(u16, &str)], expected: Exchangers) {
        let records = records(of);
        let mut random = StdRng::seed_from_u64(1);
        assert_eq!(
            order(records.clone(), "Relay.example.net", &mut random),
            expected,
            "{records:?}"
        );
    }

    fn hosts(of: &[(u16, &str)]) -> Exchangers {
        Exchangers::Hosts(records(of))
    }

    #[test]
    fn the_lowest_preference_goes_first() {
        check(
            &[(20, "b"), (10, "a"), (30, "c")],
            hosts(&[(10, "a"), (20, "b"), (30, "c")]),
        );
    }

    #[test]
    fn a_null_mx_takes_no_mail() {
        check(&[(0, "")], Exchangers::Null);
        check(&[(0, ""), (10, "a")], hosts(&[(10, "a")]));
    }

    #[test]
    fn our_own_name_ends_the_list() {
        let us = "relay.example.NET";
        check(
            &[(10, "a"), (20, us), (20, "b"), (30, "c")],
            hosts(&[(10, "a")]),
        );
        check(&[(10, us), (20, "b")], Exchangers::Ourselves);
        check(&[(10, us)], Exchangers::Ourselves);
    }

    #[test]
    fn of_too_many_each_has_its_turn() {
        let hosts = (0..3 * limits::EXCHANGERS as u16).map(|preference| Exchanger {
            preference,
            host: format!("mx{preference}"),
        });
        let hosts: Vec<_> = hosts.collect();
        let mut random = StdRng::seed_from_u64(7);
        let mut seen = HashSet::new();
        for _ in 0..64 {
            let chosen = choose(hosts.clone(), &mut random);
            assert_eq!(chosen.len(), limits::EXCHANGERS);
            assert!(chosen.is_sorted_by_key(|exchanger| exchanger.preference));
            assert_eq!(chosen[..50], hosts[..50]);
            seen.extend(chosen.into_iter().map(|exchanger| exchanger.host));
        }
        assert_eq!(seen.len(), hosts.len());
        let few = hosts[..100].to_vec();
        assert_eq!(choose(few.clone(), &mut random), few);
    }

    #[test]
    fn equals_take_turns() {
        let record = |host: &str| Exchanger {
            preference: 10,
            host: host.to_owned(),
        };
        let mut random = StdRng::seed_from_u64(7);
        let firsts: HashSet<String> = (0..64)
            .filter_map(|_| {
                let records = vec![record("a"), record("b"), record("c")];
                match order(records, "relay.example.net", &mut random) {
                    Exchangers::Hosts(hosts) => Some(hosts.into_iter().next()?.host),
                    _ => None,
                }
            })
            .collect();
        assert_eq!(firsts.len(), 3);
    }
}
