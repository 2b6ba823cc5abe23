//! What all lists together say of a client, as far as they have answered. Pure.

use super::listing::Listing;
use crate::conditions::service::NoAnswer;
use crate::settings::conditions::BlackholeLists;

/// The weights of the lists that have answered, and of those that have not.
#[derive(Debug)]
pub(super) struct ListTally<'a> {
    lists: &'a BlackholeLists,
    /// One for each zone, in their order; none for one that has not answered yet.
    listings: Vec<Option<Listing>>,
    /// A zone that has not answered was not asked: nobody can say that it could not tell.
    pub(super) has_left_out: bool,
}

/// What is to become of a client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// It is refused.
    Refuse,
    /// It passes with a header field that names the lists.
    Tag,
    /// It passes.
    Pass,
    /// It depends on zones that could not be asked.
    Undecided,
}

impl<'a> ListTally<'a> {
    pub(super) fn new(lists: &'a BlackholeLists) -> Self {
        Self {
            lists,
            listings: vec![None; lists.zones.len()],
            has_left_out: false,
        }
    }

    /// Takes the answer of the zone at this position.
    pub(super) fn note(&mut self, position: usize, listing: Listing) {
        self.listings[position] = Some(listing);
    }

    /// The zone at this position has not answered.
    pub(super) fn note_unknown(&mut self, position: usize, no_answer: NoAnswer) {
        self.has_left_out |= matches!(no_answer, NoAnswer::NotAsked(_));
        self.note(position, Listing::Unknown(no_answer.to_string()));
    }

    /// The weight of the zones that list the client.
    pub(super) fn weight(&self) -> u32 {
        self.weight_where(|listing| matches!(listing, Some(Listing::Listed(_))))
    }

    /// What the weight means. Weights only add up: when the zones that are unknown could not change
    /// anything, nothing has to be known of them.
    pub(super) fn weighed(&self) -> Weighed {
        let least = self.weight();
        let unknown = self.weight_where(|listing| {
            listing
                .as_ref()
                .is_none_or(|listing| matches!(listing, Listing::Unknown(_)))
        });
        match (self.at(least), self.at(least + unknown)) {
            (one, other) if one == other => one,
            _ => Weighed::Undecided,
        }
    }

    /// The message is tagged, if nothing worse becomes of it.
    pub(super) fn is_tagged(&self) -> bool {
        self.at(self.weight()) == Weighed::Tag
    }

    /// The zones that list the client.
    pub(super) fn listed_by(&self) -> Vec<&'a str> {
        let zones = self.lists.zones.iter().zip(&self.listings);
        zones
            .filter(|(_, listing)| matches!(listing, Some(Listing::Listed(_))))
            .map(|(zone, _)| zone.zone.as_str())
            .collect()
    }

    /// What there is to say of single zones, for the trail: those that do not just have it or not.
    pub(super) fn remarks(&self) -> Vec<String> {
        let zones = self.lists.zones.iter().zip(&self.listings);
        zones
            .filter_map(|(zone, listing)| match listing.as_ref()? {
                Listing::NotCounted(words) => Some(format!("{} {words}", zone.zone)),
                Listing::Unknown(why) => Some(why.clone()),
                Listing::Listed(_) | Listing::NotListed => None,
            })
            .collect()
    }

    fn weight_where(&self, counts: impl Fn(&Option<Listing>) -> bool) -> u32 {
        let zones = self.lists.zones.iter().zip(&self.listings);
        zones
            .filter(|(_, listing)| counts(listing))
            .map(|(zone, _)| zone.weight)
            .sum()
    }

    fn at(&self, weight: u32) -> Weighed {
        let reaches = |bound: Option<u32>| bound.is_some_and(|bound| weight >= bound);
        if reaches(self.lists.refuse_weight) {
            Weighed::Refuse
        } else if reaches(self.lists.tag_weight) {
            Weighed::Tag
        } else {
            Weighed::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::conditions::BlackholeZone;

    /// Zones of the weights 1, 2 and 4; of each: `+` listed, `-` not, `?` unknown, `.` not answered yet.
    fn check(refuse: Option<u32>, tag: Option<u32>, answers: &str, weight: u32, expected: Weighed) {
        let zones = [1, 2, 4].map(|weight| BlackholeZone {
            zone: format!("z{weight}.example"),
            weight,
            ..BlackholeZone::default()
        });
        let lists = BlackholeLists {
            zones: zones.to_vec(),
            refuse_weight: refuse,
            tag_weight: tag,
            ..BlackholeLists::default()
        };
        let mut tally = ListTally::new(&lists);
        for (position, answer) in answers.chars().enumerate() {
            let listing = match answer {
                '+' => Listing::Listed(vec![[127, 0, 0, 2].into()]),
                '-' => Listing::NotListed,
                '?' => Listing::Unknown("down".into()),
                _ => continue,
            };
            tally.note(position, listing);
        }
        assert_eq!(tally.weight(), weight, "{answers}");
        assert_eq!(tally.weighed(), expected, "{answers}");
    }

    #[test]
    fn weights_add_up() {
        let refuse = |answers, weight, expected| check(Some(3), None, answers, weight, expected);
        refuse("---", 0, Weighed::Pass);
        refuse("++-", 3, Weighed::Refuse);
        refuse("+--", 1, Weighed::Pass);
        refuse("--+", 4, Weighed::Refuse);
        let both = |answers, weight, expected| check(Some(5), Some(2), answers, weight, expected);
        both("+--", 1, Weighed::Pass);
        both("-+-", 2, Weighed::Tag);
        both("++-", 3, Weighed::Tag);
        both("+-+", 5, Weighed::Refuse);
        let tag = |answers, weight, expected| check(None, Some(2), answers, weight, expected);
        tag("+++", 7, Weighed::Tag);
    }

    #[test]
    fn what_is_unknown_matters_only_when_it_could_decide() {
        let refuse = |answers, weight, expected| check(Some(3), None, answers, weight, expected);
        refuse("..+", 4, Weighed::Refuse);
        refuse("??+", 4, Weighed::Refuse);
        refuse("?--", 0, Weighed::Pass);
        refuse("?.-", 0, Weighed::Undecided);
        refuse("?+-", 2, Weighed::Undecided);
        refuse("--.", 0, Weighed::Undecided);
        let both = |answers, weight, expected| check(Some(5), Some(2), answers, weight, expected);
        both("?+-", 2, Weighed::Tag);
        both("?-+", 4, Weighed::Undecided);
        both("+?-", 1, Weighed::Undecided);
        both("?--", 0, Weighed::Pass);
    }
}
