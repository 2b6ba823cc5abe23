//! Places for which clients wait by turns: of all of them one client holds half at most, and however many
//! wait for one client, another's turn comes next.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::ClientId;

/// So many places in all.
#[derive(Debug)]
pub struct FairSemaphore {
    per_party: usize,
    state: Mutex<FairState>,
}

/// While a place is free, no client waits that may have it.
#[derive(Debug)]
struct FairState {
    free: usize,
    /// The clients that hold places or wait for one.
    parties: HashMap<ClientId, Waiters>,
    /// The clients that wait and may have one place more, the next one first, each once.
    turns: VecDeque<ClientId>,
}

/// What one client holds and waits for.
#[derive(Debug, Default)]
struct Waiters {
    held: usize,
    /// Some of them may have given up meanwhile.
    waiting: VecDeque<oneshot::Sender<FairPermit>>,
    /// It is among the turns.
    has_turn: bool,
}

/// One place, free again when dropped.
#[derive(Debug)]
pub struct FairPermit {
    /// None: it was never handed out nor counted.
    places: Option<Arc<FairSemaphore>>,
    party: ClientId,
}

impl FairSemaphore {
    /// `total` places, at least one, of which one party gets half.
    #[must_use]
    pub fn new(total: usize) -> Arc<Self> {
        let total = total.max(1);
        Arc::new(Self {
            per_party: total.div_ceil(2),
            state: Mutex::new(FairState {
                free: total,
                parties: HashMap::new(),
                turns: VecDeque::new(),
            }),
        })
    }

    /// A place for `party`, when it is its turn. The caller bounds the wait.
    pub async fn take(self: &Arc<Self>, party: ClientId) -> FairPermit {
        let waiting = match self.take_now(&party) {
            Ok(()) => return self.place(party),
            Err(waiting) => waiting,
        };
        waiting
            .await
            .expect("whoever waits is told, for as long as the places are there")
    }

    /// Takes a place that is free, or waits for one.
    fn take_now(&self, party: &ClientId) -> Result<(), oneshot::Receiver<FairPermit>> {
        let mut state = self.state.lock();
        let FairState {
            free,
            parties,
            turns,
        } = &mut *state;
        let standing = parties.entry(party.clone()).or_default();
        if *free > 0 && standing.held < self.per_party {
            standing.held += 1;
            *free -= 1;
            return Ok(());
        }
        // Those who came first give up first.
        while standing
            .waiting
            .pop_front_if(|first| first.is_closed())
            .is_some()
        {}
        let (told, waiting) = oneshot::channel();
        standing.waiting.push_back(told);
        standing.line_up(party, self.per_party, turns);
        Err(waiting)
    }

    fn place(self: &Arc<Self>, party: ClientId) -> FairPermit {
        FairPermit {
            places: Some(Arc::clone(self)),
            party,
        }
    }

    fn give_back(self: &Arc<Self>, party: &ClientId) {
        let mut state = self.state.lock();
        state.free += 1;
        let FairState { parties, turns, .. } = &mut *state;
        if let Some(standing) = parties.get_mut(party) {
            standing.held -= 1;
            standing.line_up(party, self.per_party, turns);
        }
        state.forget_if_gone(party);
        self.hand_out(&mut state);
    }

    /// Gives what is free to those who wait.
    fn hand_out(self: &Arc<Self>, state: &mut FairState) {
        while state.free > 0 {
            let Some(party) = state.turns.pop_front() else {
                return;
            };
            let FairState {
                free,
                parties,
                turns,
            } = &mut *state;
            if let Some(standing) = parties.get_mut(&party) {
                standing.has_turn = false;
                if standing.hand(|| self.place(party.clone())) {
                    standing.held += 1;
                    *free -= 1;
                }
                standing.line_up(&party, self.per_party, turns);
            }
            state.forget_if_gone(&party);
        }
    }
}

impl FairState {
    fn forget_if_gone(&mut self, party: &ClientId) {
        let is_gone = |standing: &Waiters| standing.held == 0 && standing.waiting.is_empty();
        if self.parties.get(party).is_some_and(is_gone) {
            self.parties.remove(party);
        }
    }
}

impl Waiters {
    /// Puts the party behind the others whose turn comes, when it waits for what it may have.
    fn line_up(&mut self, party: &ClientId, per_party: usize, turns: &mut VecDeque<ClientId>) {
        if !self.has_turn && !self.waiting.is_empty() && self.held < per_party {
            self.has_turn = true;
            turns.push_back(party.clone());
        }
    }

    /// Hands a place to the first that still waits; false when none does.
    fn hand(&mut self, place: impl Fn() -> FairPermit) -> bool {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(place()) {
                Ok(()) => return true,
                // It was not counted yet, and to give it back would wait for the lock that is held.
                Err(mut place) => place.places = None,
            }
        }
        false
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        if let Some(places) = self.places.take() {
            places.give_back(&self.party);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;

    fn party(number: u8) -> ClientId {
        ClientId::Login(number.to_string().into())
    }

    fn take(places: &Arc<FairSemaphore>, number: u8) -> BoxFuture<'static, FairPermit> {
        let places = Arc::clone(places);
        async move { places.take(party(number)).await }.boxed()
    }

    /// The place, when it is there at once.
    fn now(places: &Arc<FairSemaphore>, number: u8) -> Option<FairPermit> {
        take(places, number).now_or_never()
    }

    /// A client that waits for a place.
    fn waiting(places: &Arc<FairSemaphore>, number: u8) -> BoxFuture<'static, FairPermit> {
        let mut waiting = take(places, number);
        assert!((&mut waiting).now_or_never().is_none(), "there is a place");
        waiting
    }

    #[test]
    fn one_party_holds_half() {
        for (total, half) in [(1, 1), (2, 1), (3, 2), (5, 3), (10, 5)] {
            let places = FairSemaphore::new(total);
            let held: Vec<_> = (0..total).filter_map(|_| now(&places, 1)).collect();
            assert_eq!(held.len(), half, "of {total}");
            assert_eq!(now(&places, 2).is_some(), total > 1, "of {total}");
        }
    }

    #[test]
    fn turns_come_by_party() {
        let places = FairSemaphore::new(1);
        let held = now(&places, 1).expect("a place");
        let mut eager: Vec<_> = (0..3).map(|_| waiting(&places, 2)).collect();
        let mut other = waiting(&places, 3);
        drop(held);
        let mut first = eager.remove(0);
        let place = (&mut first).now_or_never().expect("it came first");
        let mut second = eager.remove(0);
        assert!((&mut other).now_or_never().is_none());
        drop(place);
        assert!(
            (&mut second).now_or_never().is_none(),
            "it has had its turn"
        );
        let place = (&mut other).now_or_never().expect("its turn");
        drop(place);
        assert!((&mut second).now_or_never().is_some());
    }

    #[test]
    fn whoever_gives_up_takes_no_place() {
        let places = FairSemaphore::new(1);
        let held = now(&places, 1).expect("a place");
        let given_up = waiting(&places, 2);
        let handed = waiting(&places, 3);
        let mut last = waiting(&places, 4);
        drop(given_up);
        drop(held);
        // It was handed the place, and is gone before it sees it.
        drop(handed);
        assert!((&mut last).now_or_never().is_some());
        assert!(places.state.lock().parties.is_empty());
        assert_eq!(places.state.lock().free, 1);
    }

    /// What somebody does; the number says who, or which of those who hold or wait.
    #[derive(Clone, Debug)]
    enum Deed {
        Take(u8),
        GiveBack(usize),
        GiveUp(usize),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            3 => (0..5_u8).prop_map(Deed::Take),
            2 => any::<usize>().prop_map(Deed::GiveBack),
            1 => any::<usize>().prop_map(Deed::GiveUp),
        ];
        prop::collection::vec(deed, 0..80)
    }

    proptest! {
        #[test]
        fn whatever_happens_nobody_has_too_much_and_nobody_waits_for_nothing(total in 1..6_usize, deeds in deeds()) {
            let places = FairSemaphore::new(total);
            let mut held: Vec<(u8, FairPermit)> = Vec::new();
            let mut waiting: Vec<(u8, BoxFuture<'static, FairPermit>)> = Vec::new();
            for deed in deeds {
                match deed {
                    // It is polled below.
                    Deed::Take(number) => waiting.push((number, take(&places, number))),
                    Deed::GiveBack(which) if !held.is_empty() => {
                        drop(held.swap_remove(which % held.len()));
                    }
                    Deed::GiveUp(which) if !waiting.is_empty() => {
                        drop(waiting.swap_remove(which % waiting.len()));
                    }
                    Deed::GiveBack(_) | Deed::GiveUp(_) => {}
                }
                let mut still = Vec::new();
                for (number, mut one) in waiting {
                    match (&mut one).now_or_never() {
                        Some(place) => held.push((number, place)),
                        None => still.push((number, one)),
                    }
                }
                waiting = still;
                let of = |number: u8| held.iter().filter(|(one, _)| *one == number).count();
                prop_assert!(held.len() <= total);
                prop_assert!((0..5).all(|number| of(number) <= total.div_ceil(2)));
                prop_assert_eq!(places.state.lock().free, total - held.len());
                // Whoever waits waits for something that is taken.
                for (number, _) in &waiting {
                    prop_assert!(held.len() == total || of(*number) == total.div_ceil(2));
                }
            }
            drop((held, waiting));
            prop_assert_eq!(places.state.lock().free, total);
        }
    }
}
