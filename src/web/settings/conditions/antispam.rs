//! `/settings/conditions/antispam`.

use super::super::Answer;
use super::super::form::{Group, Setting, Submission};
use super::super::kind::{Bound, Choice, Kind};
use super::{
    connections, disables, present_condition, server, submit_condition, switch, timeout,
    unavailable,
};
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

const CONDITION: &ConditionDescription = ConditionKind::Antispam.description();

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[
            switch("antispam.enabled"),
            disables("antispam.disables_fast_path"),
        ],
    },
    Group {
        heading: "The scanner",
        settings: &[
            ENGINE,
            server(
                "antispam.server",
                "For rspamd like 127.0.0.1:11333, where its worker “normal” listens; for spamd like 127.0.0.1:783 or unix:/run/spamd.sock. What is larger than the scanner takes, it cannot tell.",
            ),
            timeout("antispam.timeout_seconds"),
            connections("antispam.connections_max"),
            unavailable("antispam.when_unavailable"),
        ],
    },
    Group {
        heading: "What becomes of a message",
        settings: &[
            FOLLOW,
            from(
                "antispam.tag_score",
                "Tagged",
                "It is delivered with the fields X-Spam-Flag, X-Spam-Score and X-Spam-Symbols.",
                TAG,
            ),
            from(
                "antispam.defer_score",
                "Put off",
                "451: the sender keeps it and tries again, and is put off again as long as the score stays.",
                DEFER,
            ),
            from(
                "antispam.refuse_score",
                "Refused as spam",
                "Where none of the three is on, messages are only looked at: the trail says what was found.",
                REFUSE,
            ),
            SPAM,
        ],
    },
];

const ENGINE: Setting = Setting {
    name: "antispam.engine",
    label: "Asked is",
    hint: "",
    kind: Kind::Choice(&[
        Choice {
            value: "rspamd",
            label: "rspamd",
            hint: "It gives a score and advises what to do, by thresholds of its own.",
        },
        Choice {
            value: "spamd",
            label: "SpamAssassin’s spamd",
            hint: "It gives a score and no advice: the scores below say what that means, not its own threshold. A message with one recipient is judged by that recipient’s preferences.",
        },
    ]),
};

const FOLLOW: Setting = Setting {
    name: "antispam.follow_action",
    label: "What rspamd advises",
    hint: "",
    kind: Kind::Choice(&[
        Choice {
            value: "true",
            label: "is done",
            hint: "“add header” and “rewrite subject” tag a message, “soft reject” puts it off, “reject” refuses it as spam, “quarantine” keeps it back. “greylist” lets it pass: rspamd’s greylisting says “soft reject” for as long as a message has to wait. The scores below mean nothing then.",
        },
        Choice {
            value: "false",
            label: "is ignored",
            hint: "The scores below say what becomes of a message, as they do with spamd.",
        },
    ]),
};

const SPAM: Setting = Setting {
    name: "antispam.when_spam_is_refused",
    label: "A message that is refused as spam",
    hint: "",
    kind: Kind::Choice(&[
        Choice {
            value: "refuse",
            label: "Refuse it",
            hint: "554 in the session: the sender is told.",
        },
        Choice {
            value: "quarantine",
            label: "Quarantine it",
            hint: "Taken, tagged, and kept back in the queue until an operator releases or purges it.",
        },
    ]),
};

const TAG: &Bound = &score("5.0");
const DEFER: &Bound = &score("10.0");
const REFUSE: &Bound = &score("15.0");

const fn score(usual: &'static str) -> Bound {
    Bound {
        words: "from a score of",
        kind: Kind::Score,
        unit: "",
        usual,
    }
}

/// From which score on something becomes of a message.
const fn from(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    bound: &'static Bound,
) -> Setting {
    Setting {
        name,
        label,
        hint,
        kind: Kind::OrOff(bound),
    }
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
    use axum::http::StatusCode;

    use crate::settings::conditions::Score;
    use crate::web::testing::{FORM, LOOPBACK, Site};

    const PATH: &str = "/settings/conditions/antispam";

    async fn check(site: &Site, request: &str, body: &str, status: StatusCode, parts: &[&str]) {
        let request = format!("{request} {PATH}");
        let answer = site.ask(LOOPBACK, &request, &[FORM], body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        answer.has(&parts);
    }

    #[tokio::test]
    async fn scores_are_switched_on_and_off() {
        let site = Site::open().await;
        let shown = [
            r#"name="antispam.tag_score" value="5.0""#,
            r#"name="shown.antispam.defer_score" value="off""#,
            r#"name="antispam.refuse_score" value="15.0""#,
        ];
        check(&site, "GET", "", StatusCode::OK, &shown).await;
        let typed = "antispam.enabled=true&antispam.engine=spamd&antispam.server=unix:/run/spamd.sock\
            &on.antispam.tag_score=on&antispam.tag_score=6.25&antispam.refuse_score=15.0";
        check(&site, "POST", typed, StatusCode::SEE_OTHER, &[]).await;
        let settings = site.context.administration.settings();
        assert_eq!(settings.antispam.tag_score, Score::nearest(6.25));
        assert_eq!(settings.antispam.refuse_score, None);
        check(&site, "GET", "", StatusCode::OK, &[r#"value="6.25""#]).await;

        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        for (typed, problem) in [
            (
                "on.antispam.refuse_score=on&antispam.refuse_score=6",
                "must be higher than the score that tags, 6.25",
            ),
            (
                "on.antispam.tag_score=on&antispam.tag_score=6,5",
                "a score is a number",
            ),
            ("antispam.engine=rspamd", "rspamd is asked over TCP"),
        ] {
            check(&site, "POST", typed, unprocessable, &[problem]).await;
        }
    }
}
