//! `/settings/conditions/milter`.

use super::super::Answer;
use super::super::form::{Group, Setting, Submission};
use super::super::kind::Kind;
use super::{
    connections, disables, present_condition, submit_condition, switch, timeout, unavailable,
};
use crate::settings::conditions::{ConditionDescription, ConditionKind, read_milter};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

const CONDITION: &ConditionDescription = ConditionKind::Milter.description();

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[
            switch("milter.enabled"),
            disables("milter.disables_fast_path"),
        ],
    },
    Group {
        heading: "Milters",
        settings: &[
            Setting {
                name: "milter.milters",
                label: "Milters",
                hint: "One a line, like 127.0.0.1:8891 or unix:/run/opendkim.sock; what Postfix and Sendmail write, like inet:8891@127.0.0.1, is understood. They are asked in this order, and each sees what the one before has changed: one that signs comes last. What a milter wants discarded is quarantined.",
                kind: Kind::Lines(address),
            },
            timeout("milter.timeout_seconds"),
            connections("milter.connections_max"),
            unavailable("milter.when_unavailable"),
        ],
    },
];

fn address(text: &str) -> Result<String, String> {
    let address = read_milter(text).map_err(|problem| format!("“{text}”: {problem}"))?;
    Ok(address.to_string())
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    present_condition(CONDITION, &context, visitor, &query, GROUPS)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    submit_condition(CONDITION, &context, visitor, &submission, GROUPS).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn milters_are_typed_one_a_line_in_any_spelling() {
        let typed = "inet:8891@127.0.0.1\r\n/run/opendkim.sock\r\nmilter.example.net:8893";
        let expected = json!([
            "127.0.0.1:8891",
            "unix:/run/opendkim.sock",
            "milter.example.net:8893"
        ]);
        assert_eq!(Kind::Lines(address).read(typed), Ok(expected));
        let problem = Kind::Lines(address).read("opendkim").expect_err("no place");
        assert!(problem.starts_with("“opendkim”: "), "{problem}");
    }
}
