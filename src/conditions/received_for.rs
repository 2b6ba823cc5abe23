//! Received-for header: one message for each recipient, who is named in its Received field.

use std::future::ready;

use super::check::{CheckFn, Concerns, ConditionCheck};
use super::verdict::{CheckVerdict, Edit};

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::All,
    tags: &[],
    run: CheckFn::Message(|_| {
        let verdict = CheckVerdict::with(vec![Edit::NameRecipients], "");
        Box::pin(ready(verdict))
    }),
};
