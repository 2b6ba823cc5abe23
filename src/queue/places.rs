//! The places for attempts of the queue, and who gets one.
//!
//! Servers that accept a connection and say nothing must not hold all places while mail for others waits.
//! So half of them are only for next hops that answer; the others have few attempts at one time each, few in
//! all before they have greeted, and fewer when they were silent the last time. An attempt that takes long,
//! wherever it goes, moves aside when its place is wanted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::delivery::NextHopHealth;
use crate::limits;
use crate::store::NextHopShare;

/// All places.
#[derive(Clone, Debug, Default)]
pub(super) struct AttemptSlots(Arc<Mutex<SlotsTaken>>);

/// A place for one attempt, free again when dropped.
#[derive(Debug)]
pub struct AttemptSlot {
    places: AttemptSlots,
    number: u64,
    standing: NextHopHealth,
}

#[derive(Debug, Default)]
struct SlotsTaken {
    /// The numbers of places rise with the time at which they were taken.
    by_number: BTreeMap<u64, Holder>,
    next_number: u64,
    /// Of those that are not aside.
    in_all: usize,
    unproven: usize,
    ungreeted: usize,
    silent: usize,
    aside: usize,
    /// Wherever they are.
    by_next_hop: HashMap<Arc<str>, UnderWay>,
}

/// The attempts for one next hop.
#[derive(Clone, Copy, Debug, Default)]
struct UnderWay {
    all: usize,
    /// Of them such as have taken long.
    aside: usize,
}

#[derive(Debug)]
struct Holder {
    next_hop: Arc<str>,
    /// What the next hop had done before.
    standing: NextHopHealth,
    /// It has greeted meanwhile.
    has_greeted: bool,
    is_aside: bool,
    since: Instant,
}

impl Holder {
    fn is_unproven(&self) -> bool {
        self.standing != NextHopHealth::Answers
    }

    fn is_ungreeted(&self) -> bool {
        self.is_unproven() && !self.has_greeted
    }
}

impl AttemptSlots {
    /// How many attempts each of the next hops in `due`, oldest first, may begin now: they take turns. Next
    /// hops that may begin none are left out.
    pub(super) fn shares(
        &self,
        due: &[String],
        standing: impl Fn(&str) -> NextHopHealth,
    ) -> Vec<NextHopShare> {
        let mut taken = self.taken();
        taken.move_aside(Instant::now());
        let mut wants: Vec<Want<'_>> = due
            .iter()
            .map(|next_hop| {
                let standing = taken.judged(next_hop, standing(next_hop));
                let under_way = taken.under_way(next_hop).all;
                Want {
                    next_hop,
                    standing,
                    most: most(standing, limits::QUEUE_ATTEMPTS_PER_NEXT_HOP)
                        .saturating_sub(under_way),
                    attempts: 0,
                }
            })
            .collect();
        let mut free = taken.free();
        drop(taken);
        let mut gave = true;
        while gave && free.all > 0 {
            gave = false;
            for want in &mut wants {
                if want.attempts < want.most && free.take(want.standing) {
                    want.attempts += 1;
                    gave = true;
                }
            }
        }
        let shares = wants.into_iter().filter(|want| want.attempts > 0);
        shares
            .map(|want| NextHopShare {
                next_hop: want.next_hop.to_owned(),
                attempts: want.attempts,
            })
            .collect()
    }

    /// A place for an attempt that the queue has the share for.
    pub(super) fn take(&self, next_hop: &Arc<str>, standing: NextHopHealth) -> AttemptSlot {
        let mut taken = self.taken();
        let standing = taken.judged(next_hop, standing);
        let number = taken.add(next_hop, standing, Instant::now());
        drop(taken);
        AttemptSlot {
            places: self.clone(),
            number,
            standing,
        }
    }

    /// A place for each of these next hops; all or none.
    pub(super) fn take_all(
        &self,
        wanted: &[(&Arc<str>, NextHopHealth)],
    ) -> Option<Vec<AttemptSlot>> {
        let mut taken = self.taken();
        let have_room = |taken: &SlotsTaken| {
            let mut free = taken.free();
            wanted
                .iter()
                .all(|&(next_hop, standing)| free.take(taken.judged(next_hop, standing)))
        };
        if !have_room(&taken) {
            taken.move_aside(Instant::now());
        }
        let has_share = |&(next_hop, standing): &(&Arc<str>, NextHopHealth)| {
            let standing = taken.judged(next_hop, standing);
            taken.under_way(next_hop).all < most(standing, limits::HANDED_ON_PER_NEXT_HOP)
        };
        if !have_room(&taken) || !wanted.iter().all(has_share) {
            return None;
        }
        let now = Instant::now();
        let places = wanted.iter().map(|&(next_hop, standing)| {
            let standing = taken.judged(next_hop, standing);
            AttemptSlot {
                places: self.clone(),
                number: taken.add(next_hop, standing, now),
                standing,
            }
        });
        Some(places.collect())
    }

    fn taken(&self) -> MutexGuard<'_, SlotsTaken> {
        self.0.lock()
    }
}

struct Want<'a> {
    next_hop: &'a str,
    standing: NextHopHealth,
    most: usize,
    attempts: usize,
}

/// Slots that are free.
struct Free {
    all: usize,
    /// Of them for next hops that have not answered of late.
    unproven: usize,
    /// Of these for such as were silent.
    silent: usize,
}

impl Free {
    /// Takes one for a next hop; false when there is none for such a one.
    fn take(&mut self, standing: NextHopHealth) -> bool {
        let (unproven, silent) = match standing {
            NextHopHealth::Answers => (0, 0),
            NextHopHealth::New => (1, 0),
            NextHopHealth::Silent => (1, 1),
        };
        if self.all < 1 || self.unproven < unproven || self.silent < silent {
            return false;
        }
        self.all -= 1;
        self.unproven -= unproven;
        self.silent -= silent;
        true
    }
}

/// Attempts at one time for one next hop, when one that answers may have so many.
fn most(standing: NextHopHealth, with_answers: usize) -> usize {
    match standing {
        NextHopHealth::Answers => with_answers,
        NextHopHealth::New | NextHopHealth::Silent => limits::QUEUE_ATTEMPTS_PER_UNPROVEN,
    }
}

impl SlotsTaken {
    fn under_way(&self, next_hop: &str) -> UnderWay {
        self.by_next_hop.get(next_hop).copied().unwrap_or_default()
    }

    /// What a next hop counts as now. One that answered of late and lets most attempts hang has to show
    /// anew that it answers.
    fn judged(&self, next_hop: &str, standing: NextHopHealth) -> NextHopHealth {
        let UnderWay { all, aside } = self.under_way(next_hop);
        match standing {
            NextHopHealth::Answers if 2 * aside > all => NextHopHealth::New,
            standing => standing,
        }
    }

    fn free(&self) -> Free {
        let unproven = limits::QUEUE_ATTEMPTS_UNPROVEN.saturating_sub(self.unproven);
        let ungreeted = limits::QUEUE_ATTEMPTS_UNGREETED.saturating_sub(self.ungreeted);
        Free {
            all: limits::QUEUE_ATTEMPTS.saturating_sub(self.in_all),
            unproven: unproven.min(ungreeted),
            silent: limits::QUEUE_ATTEMPTS_SILENT.saturating_sub(self.silent),
        }
    }

    /// Counts a holder that takes a place, or has just made way.
    fn count(&mut self, holder: &Holder, change: impl Fn(&mut usize)) {
        change(&mut self.in_all);
        if holder.is_unproven() {
            change(&mut self.unproven);
        }
        if holder.is_ungreeted() {
            change(&mut self.ungreeted);
        }
        if holder.standing == NextHopHealth::Silent {
            change(&mut self.silent);
        }
    }

    fn add(&mut self, next_hop: &Arc<str>, standing: NextHopHealth, since: Instant) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let holder = Holder {
            next_hop: Arc::clone(next_hop),
            standing,
            has_greeted: false,
            is_aside: false,
            since,
        };
        self.count(&holder, |count| *count += 1);
        self.by_next_hop
            .entry(Arc::clone(next_hop))
            .or_default()
            .all += 1;
        self.by_number.insert(number, holder);
        number
    }

    fn remove(&mut self, number: u64) {
        let Some(holder) = self.by_number.remove(&number) else {
            return;
        };
        match holder.is_aside {
            true => self.aside -= 1,
            false => self.count(&holder, |count| *count -= 1),
        }
        if let Some(under_way) = self.by_next_hop.get_mut(&holder.next_hop) {
            under_way.all -= 1;
            under_way.aside -= usize::from(holder.is_aside);
            if under_way.all == 0 {
                self.by_next_hop.remove(&holder.next_hop);
            }
        }
    }

    fn greeted(&mut self, number: u64) {
        if let Some(holder) = self.by_number.get_mut(&number) {
            let counts = holder.is_ungreeted() && !holder.is_aside;
            self.ungreeted -= usize::from(counts);
            holder.has_greeted = true;
        }
    }

    /// Attempts that have had their places for long make way, the oldest first. One that waits to be
    /// greeted stays: its wait is bounded, and so must be the number of those.
    fn move_aside(&mut self, now: Instant) {
        let free = limits::QUEUE_ATTEMPTS_ASIDE.saturating_sub(self.aside);
        let is_old = |holder: &Holder| {
            now.saturating_duration_since(holder.since) >= limits::QUEUE_PLACE_HOLD
        };
        let old = self
            .by_number
            .iter()
            .take_while(|(_, holder)| is_old(holder));
        let old = old.filter(|(_, holder)| !holder.is_aside && !holder.is_ungreeted());
        let old: Vec<u64> = old.map(|(number, _)| *number).take(free).collect();
        for number in old {
            let Some(mut holder) = self.by_number.remove(&number) else {
                continue;
            };
            self.count(&holder, |count| *count -= 1);
            holder.is_aside = true;
            self.aside += 1;
            if let Some(under_way) = self.by_next_hop.get_mut(&holder.next_hop) {
                under_way.aside += 1;
            }
            self.by_number.insert(number, holder);
        }
    }
}

impl AttemptSlot {
    /// How to say later that the next hop has greeted; none when that is expected.
    pub(super) fn greeting(&self) -> Option<Greeting> {
        (self.standing != NextHopHealth::Answers).then(|| Greeting {
            places: self.places.clone(),
            number: self.number,
        })
    }
}

impl Drop for AttemptSlot {
    fn drop(&mut self) {
        self.places.taken().remove(self.number);
    }
}

/// Says that the next hop of a place has greeted.
#[derive(Debug)]
pub(super) struct Greeting {
    places: AttemptSlots,
    number: u64,
}

impl Greeting {
    /// It has.
    pub(super) fn came(&self) {
        self.places.taken().greeted(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(first: &str, count: usize) -> Vec<String> {
        (0..count)
            .map(|number| format!("{first}{number}"))
            .collect()
    }

    fn standing(next_hop: &str) -> NextHopHealth {
        match next_hop {
            good if good.starts_with("good") => NextHopHealth::Answers,
            silent if silent.starts_with("silent") => NextHopHealth::Silent,
            _ => NextHopHealth::New,
        }
    }

    /// Takes what `due` gets, and says how many attempts those are.
    fn begin(places: &AttemptSlots, due: &[String]) -> (usize, Vec<AttemptSlot>) {
        let mut taken = Vec::new();
        for share in places.shares(due, standing) {
            let next_hop = Arc::from(share.next_hop.as_str());
            for _ in 0..share.attempts {
                taken.push(places.take(&next_hop, standing(&share.next_hop)));
            }
        }
        (taken.len(), taken)
    }

    #[tokio::test(start_paused = true)]
    async fn silent_servers_leave_places_to_those_that_answer() {
        let places = AttemptSlots::default();
        let tarpits = names("tarpit", 260);
        let (begun, held) = begin(&places, &tarpits);
        assert_eq!(begun, limits::QUEUE_ATTEMPTS_UNGREETED);
        assert_eq!(begin(&places, &tarpits).0, 0, "nobody has greeted");
        let both = [tarpits.clone(), names("good", 1)].concat();
        let (begun, good) = begin(&places, &both);
        assert_eq!(begun, limits::QUEUE_ATTEMPTS_PER_NEXT_HOP);
        drop((held, good));
        assert_eq!(
            begin(&places, &tarpits).0,
            limits::QUEUE_ATTEMPTS_UNGREETED,
            "places are given back"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn servers_that_greet_and_stall_have_half_at_most() {
        let places = AttemptSlots::default();
        let mut held = Vec::new();
        for round in 0..9 {
            let (_, begun) = begin(&places, &names(&format!("tarpit{round}-"), 200));
            let greetings = begun.iter().filter_map(AttemptSlot::greeting);
            greetings.for_each(|greeting| greeting.came());
            held.extend(begun);
        }
        assert_eq!(held.len(), limits::QUEUE_ATTEMPTS_UNPROVEN);
        let (begun, good) = begin(&places, &names("good", 30));
        assert_eq!(
            begun,
            limits::QUEUE_ATTEMPTS - limits::QUEUE_ATTEMPTS_UNPROVEN
        );
        // Each has its turn.
        let by_next_hop = |name: &str| places.taken().under_way(name);
        assert!((0..30).all(|number| by_next_hop(&format!("good{number}")).all >= 3));
        drop(good);
        // What takes long makes way, and also that is bounded.
        tokio::time::advance(limits::QUEUE_PLACE_HOLD).await;
        let mut begun = 0;
        loop {
            let (more, places) = begin(&places, &names("good", 30));
            held.extend(places);
            tokio::time::advance(limits::QUEUE_PLACE_HOLD).await;
            begun += more;
            if more == 0 {
                break;
            }
        }
        let all = limits::QUEUE_ATTEMPTS + limits::QUEUE_ATTEMPTS_ASIDE;
        assert_eq!(begun + limits::QUEUE_ATTEMPTS_UNPROVEN, all);
        drop(held);
        let taken = places.taken();
        let counts = [taken.in_all, taken.unproven, taken.ungreeted, taken.aside];
        assert_eq!(counts, [0; 4]);
        assert!(taken.by_next_hop.is_empty() && taken.by_number.is_empty());
    }

    /// They answered of late, take connections and greet, and then say nothing more.
    #[tokio::test(start_paused = true)]
    async fn who_answered_and_hangs_now_does_not_have_all_places_again() {
        let places = AttemptSlots::default();
        let hanging = names("good-and-hanging", 22);
        let (count, _held) = begin(&places, &hanging);
        assert_eq!(count, limits::QUEUE_ATTEMPTS);
        let due = [hanging, names("good", 1)].concat();
        assert_eq!(begin(&places, &due).0, 0);
        tokio::time::advance(limits::QUEUE_PLACE_HOLD).await;
        let shares = places.shares(&due, standing);
        let of_good = shares.iter().find(|share| share.next_hop == "good0");
        let attempts = of_good.map(|share| share.attempts);
        assert_eq!(attempts, Some(limits::QUEUE_ATTEMPTS_PER_NEXT_HOP));
        let of_all: usize = shares.iter().map(|share| share.attempts).sum();
        assert!(of_all <= limits::QUEUE_ATTEMPTS / 2, "{of_all}");
        // One slow message is no reason to doubt.
        let places = AttemptSlots::default();
        let next_hop: Arc<str> = "good0".into();
        let _slow = places.take(&next_hop, NextHopHealth::Answers);
        let _others: Vec<AttemptSlot> = (0..2)
            .map(|_| places.take(&next_hop, NextHopHealth::Answers))
            .collect();
        tokio::time::advance(limits::QUEUE_PLACE_HOLD).await;
        let mut taken = places.taken();
        taken
            .by_number
            .values_mut()
            .skip(1)
            .for_each(|holder| holder.since = Instant::now());
        taken.move_aside(Instant::now());
        assert_eq!(
            taken.judged("good0", NextHopHealth::Answers),
            NextHopHealth::Answers
        );
    }

    #[test]
    fn silent_servers_leave_places_to_new_ones() {
        let places = AttemptSlots::default();
        let (begun, _silent) = begin(&places, &names("silent", 260));
        assert_eq!(begun, limits::QUEUE_ATTEMPTS_SILENT);
        let both = [names("silent", 260), names("new", 1)].concat();
        let (begun, _new) = begin(&places, &both);
        assert_eq!(begun, limits::QUEUE_ATTEMPTS_PER_UNPROVEN);
    }

    #[test]
    fn one_next_hop_has_few_before_it_answered() {
        let places = AttemptSlots::default();
        let (begun, _held) = begin(&places, &names("new", 1));
        assert_eq!(begun, limits::QUEUE_ATTEMPTS_PER_UNPROVEN);
        assert_eq!(begin(&places, &names("new", 1)).0, 0);
    }

    #[test]
    fn messages_are_handed_on_as_a_whole_or_not() {
        let places = AttemptSlots::default();
        let (good, new): (Arc<str>, Arc<str>) = ("good".into(), "new".into());
        let mut held = Vec::new();
        while let Some(places) = places.take_all(&[(&good, NextHopHealth::Answers)]) {
            held.extend(places);
        }
        assert_eq!(held.len(), limits::HANDED_ON_PER_NEXT_HOP);
        let mut others = Vec::new();
        while let Some(places) = places.take_all(&[(&new, NextHopHealth::New)]) {
            others.extend(places);
        }
        assert_eq!(others.len(), limits::QUEUE_ATTEMPTS_PER_UNPROVEN);
        others.pop();
        assert!(
            places
                .take_all(&[(&new, NextHopHealth::New), (&good, NextHopHealth::Answers)])
                .is_none()
        );
        assert_eq!(places.taken().under_way("new").all, others.len());
        held.pop();
        assert!(
            places
                .take_all(&[(&new, NextHopHealth::New), (&good, NextHopHealth::Answers)])
                .is_some()
        );
    }
}
