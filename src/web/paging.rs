//! The pages of a long list, which are counted from 1 on.

use super::wording;
use crate::limits;

/// Items before this page.
pub(super) fn offset(page: u64) -> u64 {
    (page - 1).saturating_mul(limits::PAGE_ITEMS.into())
}

/// The page on which a list of `total` items ends.
pub(super) fn last_page(total: u64) -> u64 {
    total.div_ceil(limits::PAGE_ITEMS.into()).max(1)
}

/// The links from one page to the others, which `paging.html` shows under the name `paging`.
pub(super) struct Paging {
    /// The name of the navigation for screen readers.
    pub(super) label: &'static str,
    /// `1–100 of 5 000`.
    pub(super) range: String,
    pub(super) first: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    pub(super) last: Option<String>,
}

impl Paging {
    /// From `page` of a list of `total` items; `all` says so in words, and `to` is the address of a page.
    pub(super) fn new(
        label: &'static str,
        page: u64,
        total: u64,
        all: &str,
        to: impl Fn(u64) -> String,
    ) -> Self {
        let last = last_page(total);
        let before = offset(page).min(total);
        Self {
            label,
            range: format!(
                "{}–{} of {all}",
                wording::count((before + 1).min(total)),
                wording::count((before + u64::from(limits::PAGE_ITEMS)).min(total)),
            ),
            first: (page > 2).then(|| to(1)),
            previous: (page > 1).then(|| to(last.min(page - 1))),
            next: (page < last).then(|| to(page + 1)),
            last: (page + 1 < last).then(|| to(last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_linked_where_there_are_any() {
        let check = |page: u64, total: u64, range: &str, expected: [Option<u64>; 4]| {
            let to = |page: u64| page.to_string();
            let all = wording::count(total);
            let paging = Paging::new("things", page, total, &all, to);
            let found = [paging.first, paging.previous, paging.next, paging.last];
            let expected = expected.map(|page| page.map(to));
            assert_eq!(found, expected, "{page} of {total}");
            assert_eq!(paging.range.replace(',', ""), range);
        };
        check(1, 0, "0–0 of 0", [None; 4]);
        check(1, 100, "1–100 of 100", [None; 4]);
        check(1, 101, "1–100 of 101", [None, None, Some(2), None]);
        let expected = [None, Some(1), Some(3), Some(50)];
        check(2, 5_000, "101–200 of 5000", expected);
        let expected = [Some(1), Some(49), None, None];
        check(50, 4_950, "4901–4950 of 4950", expected);
    }
}
