//! Received-for header: one message for each recipient, who is named in its Received field.

use std::future::ready;

use super::check::{Check, CheckFn};
use super::verdict::{Edit, Verdict};

pub(super) const CHECK: Check = Check {
    concerns: |_, _, _| true,
    tags: &[],
    run: CheckFn::Message(|_| {
        let verdict = Verdict::with(vec![Edit::NameRecipients], "");
        Box::pin(ready(verdict))
    }),
};
