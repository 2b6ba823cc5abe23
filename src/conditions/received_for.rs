//! Received-for header: one message for each recipient, who is named in its Received field.

use std::future::ready;

use super::check::{CheckFn, ConditionCheck};
use super::verdict::{CheckVerdict, Edit};

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: |_, _, _| true,
    tags: &[],
    run: CheckFn::Message(|_| {
        let verdict = CheckVerdict::with(vec![Edit::NameRecipients], "");
        Box::pin(ready(verdict))
    }),
};
