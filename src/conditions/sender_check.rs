//! Sender check: the DNS must know the sender's domain, and the domain must take mail. Nobody could
//! answer such a message, or be told that it failed.

use std::net::SocketAddr;

use super::check::{CheckFn, Concerns, ConditionCheck, EnvelopeCheck};
use super::verdict::{CheckAnswer, CheckVerdict};
use super::words;
use crate::dns::{Dns, Records};
use crate::limits;
use crate::smtp::domain::ascii_domain;
use crate::smtp::reply::Reply;

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    // The null sender has no domain.
    concerns: Concerns::ByEnvelope(|envelope, settings| {
        let is_exempt = settings.sender_check.exempt_trusted && envelope.is_trusted(settings);
        !is_exempt && !envelope.sender.is_null()
    }),
    tags: &[],
    run: CheckFn::Envelope(|asked| Box::pin(check(asked))),
};

/// Looks the sender's domain up until the asker's deadline.
async fn check(asked: EnvelopeCheck<'_>) -> CheckVerdict {
    let Some(sender) = asked.envelope.sender.mailbox() else {
        return CheckVerdict::pass();
    };
    let domain = sender.domain();
    // RFC 5321 §4.1.3: an address literal is not in the DNS.
    if domain.starts_with('[') {
        return CheckVerdict::pass();
    }
    let dns = &asked.conditions.tools.dns;
    let servers = asked.settings.dns_servers.as_slice();
    let question = async {
        let found = find(dns, servers, domain).await;
        found.map_err(|why| words::cut(&why))
    };
    let service = asked.conditions.dns.at(servers, limits::DNS_CHECKS);
    let finding = service.ask(asked.asker, question, dns.answers(servers));
    let finding = finding.await;
    finding.map_or_else(CheckVerdict::without, |finding| verdict(finding, domain))
}

/// What the DNS says of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DomainStatus {
    /// Mail can be sent there.
    TakesMail,
    /// RFC 7505: it says that it takes none.
    NullMx,
    /// It is there without MX, A and AAAA.
    NoServer,
    NoDomain,
}

/// RFC 5321 §5.1: a domain without MX is its own exchanger.
///
/// # Errors
/// Why the DNS does not say.
async fn find(dns: &Dns, servers: &[SocketAddr], domain: &str) -> Result<DomainStatus, String> {
    match dns.exchangers(servers, domain).await {
        // RFC 7505 §3: a null MX beside others is a mistake, and means nothing.
        Records::Found(all) if all.iter().all(|one| one.host.is_empty()) => {
            return Ok(DomainStatus::NullMx);
        }
        Records::Found(_) => return Ok(DomainStatus::TakesMail),
        Records::NoName => return Ok(DomainStatus::NoDomain),
        Records::Failure(why) => return Err(why),
        Records::NoRecord => {}
    }
    let (ipv4, ipv6) = tokio::join!(dns.ipv4(servers, domain), dns.ipv6(servers, domain));
    match (ipv4, ipv6) {
        (Records::Found(_), _) | (_, Records::Found(_)) => Ok(DomainStatus::TakesMail),
        (Records::Failure(why), _) | (_, Records::Failure(why)) => Err(why),
        // Even when this says that there is no such name: MX said that there is.
        _ => Ok(DomainStatus::NoServer),
    }
}

fn verdict(finding: DomainStatus, domain: &str) -> CheckVerdict {
    let domain = ascii_domain(domain).unwrap_or(domain.into());
    let domain = words::cut(&domain);
    let (enhanced, sentence) = match finding {
        DomainStatus::TakesMail => return CheckVerdict::pass(),
        // RFC 7505 §4.2.
        DomainStatus::NullMx => ((5, 7, 27), format!("{domain} takes no mail (null MX)")),
        // RFC 3463 §3.2: X.1.8, bad sender's system address.
        DomainStatus::NoServer => {
            let sentence = format!("{domain} has no mail exchanger and no address");
            ((5, 1, 8), sentence)
        }
        DomainStatus::NoDomain => ((5, 1, 8), format!("{domain} does not exist")),
    };
    let reply = Reply::sender_domain_refused(enhanced, &sentence);
    CheckVerdict::of(CheckAnswer::Refuse(reply), sentence)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;
    use tokio::time::Instant;

    use super::super::service::Asker;
    use super::super::services::Conditions;
    use super::super::testing::{conditions, message, of_envelope, settings};
    use super::*;
    use crate::dns::scripted::{ScriptedDns, aaaa, mx, v4};

    const SECOND: Duration = Duration::from_secs(1);

    async fn dns() -> ScriptedDns {
        ScriptedDns::start(&[
            ("mx.example", mx("mail.mx.example.")),
            ("null.example", mx(".")),
            ("mixed.example", mx(".")),
            ("mixed.example", mx("mail.mx.example.")),
            ("a.example", v4("192.0.2.1")),
            ("aaaa.example", aaaa("2001:db8::1")),
            ("in_side.example", v4("192.0.2.1")),
            ("xn--bcher-kva.example", mx("mail.mx.example.")),
            ("text.below.example", v4("192.0.2.1")),
        ])
        .await
        .failing("broken.example")
        .silent("silent.example")
        .referring("lame.example")
    }

    async fn verdict_by(
        conditions: &Conditions,
        dns: &ScriptedDns,
        sender: &str,
        client: &str,
    ) -> CheckVerdict {
        let settings = settings(json!({"dns_servers": [dns.address()]}));
        let mut message = message(sender, &["bert@example.net"], b"Subject: x\r\n\r\nbody\r\n");
        let arrived = Arc::get_mut(&mut message).expect("nobody else has it");
        arrived.client.address = Some(client.parse().expect("an address"));
        let asker = Asker {
            party: message.client.party(),
            deadline: Instant::now() + 4 * SECOND,
            when_unavailable: settings.sender_check.when_unavailable,
        };
        check(of_envelope(conditions, &settings, &message, asker)).await
    }

    async fn verdict_on(dns: &ScriptedDns, sender: &str) -> CheckVerdict {
        let (_directory, known) = conditions();
        verdict_by(&known, dns, sender, "192.0.2.1").await
    }

    #[tokio::test]
    async fn a_sender_that_can_be_answered_passes() {
        let dns = dns().await;
        for sender in [
            "anna@mx.example",
            "anna@MX.Example",
            "anna@mixed.example",
            "anna@a.example",
            "anna@aaaa.example",
            "anna@in_side.example",
            "anna@bücher.example",
            "anna@[192.0.2.7]",
            "anna@[IPv6:2001:db8::7]",
        ] {
            let verdict = verdict_on(&dns, sender).await;
            assert!(
                matches!(verdict.answer, CheckAnswer::Pass),
                "{sender}: {verdict:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_sender_that_cannot_be_answered_is_refused() {
        let dns = dns().await;
        let long = format!("anna@{}.example", "a".repeat(63));
        for (sender, expected) in [
            (
                "anna@null.example",
                "550 5.7.27 Refused: the sender's domain null.example takes no mail (null MX)",
            ),
            (
                "anna@absent.example",
                "550 5.1.8 Refused: the sender's domain absent.example does not exist",
            ),
            (
                "anna@below.example",
                "550 5.1.8 Refused: the sender's domain below.example has no mail exchanger and no address",
            ),
            (
                "anna@köln.example",
                "550 5.1.8 Refused: the sender's domain xn--kln-sna.example does not exist",
            ),
            (
                "anna@nowhere.invalid",
                "550 5.1.8 Refused: the sender's domain nowhere.invalid does not exist",
            ),
            (&long, "550 5.1.8"),
        ] {
            let verdict = verdict_on(&dns, sender).await;
            let CheckAnswer::Refuse(reply) = &verdict.answer else {
                panic!("{sender}: {verdict:?}");
            };
            assert!(reply.to_string().starts_with(expected), "{reply}");
        }
    }

    #[tokio::test]
    async fn what_the_dns_does_not_say_is_not_known() {
        let dns = dns().await;
        for domain in ["broken.example", "lame.example"] {
            let verdict = verdict_on(&dns, &format!("anna@{domain}")).await;
            assert!(
                matches!(verdict.answer, CheckAnswer::CannotTell),
                "{verdict:?}"
            );
            assert!(verdict.words.contains(domain), "{}", verdict.words);
        }
    }

    #[tokio::test]
    async fn a_silent_dns_is_not_waited_for_longer_than_the_deadline() {
        let dns = dns().await;
        tokio::time::pause();
        let began = Instant::now();
        let verdict = verdict_on(&dns, "anna@silent.example").await;
        assert!(
            matches!(verdict.answer, CheckAnswer::CannotTell),
            "{verdict:?}"
        );
        assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn senders_that_the_dns_is_silent_about_are_nobody_else_s_trouble() {
        const CLIENTS: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        let slow = dns().await;
        let gone = ScriptedDns::start(&[]).await.silent("example").silent("");
        tokio::time::pause();
        let (_directory, known) = conditions();
        for client in CLIENTS {
            verdict_by(&known, &slow, "anna@silent.example", client).await;
        }
        let verdict = verdict_by(&known, &slow, "anna@mx.example", CLIENTS[0]).await;
        assert!(matches!(verdict.answer, CheckAnswer::Pass), "{verdict:?}");
        assert!(
            slow.asked().contains(&" NS".to_owned()),
            "{:?}",
            slow.asked()
        );
        // A DNS server that says nothing at all is left alone, and what it did is not another's doing.
        for client in CLIENTS {
            verdict_by(&known, &gone, "anna@mx.example", client).await;
        }
        let verdict = verdict_by(&known, &gone, "anna@mx.example", CLIENTS[0]).await;
        assert!(verdict.words.contains("neutral"), "{verdict:?}");
        let verdict = verdict_by(&known, &gone, "anna@mx.example", CLIENTS[0]).await;
        assert!(verdict.words.contains("left alone"), "{verdict:?}");
        let verdict = verdict_by(&known, &slow, "anna@mx.example", CLIENTS[0]).await;
        assert!(matches!(verdict.answer, CheckAnswer::Pass), "{verdict:?}");
    }

    #[tokio::test]
    async fn answers_are_kept() {
        let dns = dns().await;
        let settings = settings(json!({"dns_servers": [dns.address()]}));
        let resolver = Dns::default();
        for _ in 0..3 {
            for domain in ["mx.example", "absent.example", "below.example"] {
                let found = find(&resolver, &settings.dns_servers, domain).await;
                found.expect("the DNS says");
            }
        }
        let once = [
            "mx.example MX",
            "absent.example MX",
            "below.example MX",
            "below.example A",
            "below.example AAAA",
        ];
        assert_eq!(dns.asked().len(), once.len(), "{:?}", dns.asked());
        for question in once {
            assert!(dns.asked().iter().any(|asked| asked == question));
        }
    }
}
