//! Every service as it really is answers the neutral question: one that has stopped is left alone, and
//! found again as soon as it goes on.

use serde_json::{Value, json};

use super::ldap::directory;
use super::stage::Stage;
use crate::support::messages;
use crate::support::services::clamd::Clamd;
use crate::support::services::opendkim::Opendkim;
use crate::support::services::rspamd::Rspamd;
use crate::support::services::slapd::Slapd;
use crate::support::services::spamd::Spamd;
use crate::support::services::{Door, Service};
use crate::support::wait::{self, PATIENCE};

/// Stops the service that the condition of these settings asks, until it is left alone, and then goes on.
async fn check(service: &Service, settings: Value) {
    let stage = Stage::with(settings).await;
    let content = messages::small("neutral");
    let state = async || {
        let answer = stage.appliance.read("/api/v1/conditions").await;
        let services = answer["services"].as_array().unwrap();
        assert_eq!(services.len(), 1, "{answer}");
        services[0]["left_alone_seconds"].as_f64()
    };
    service.halt();
    let clients = [9, 10, 11].map(|client| stage.send_from(client, &content));
    for reply in futures_util::future::join_all(clients).await {
        assert_eq!(reply.code, 451, "{reply}");
    }
    assert_eq!(state().await, None);
    let reply = stage.send_from(12, &content).await;
    assert_eq!(reply.code, 451, "{reply}");
    assert!(state().await.is_some(), "it is left alone");

    service.go_on();
    wait::until_true("it to be asked again", PATIENCE, || async {
        stage.send_from(13, &content).await.code == 250
    })
    .await;
    assert_eq!(state().await, None);
}

fn condition(name: &str, fields: Value) -> Value {
    let mut condition = json!({"enabled": true, "timeout_seconds": 1});
    let (Value::Object(all), Value::Object(fields)) = (&mut condition, fields) else {
        unreachable!("both are objects");
    };
    all.extend(fields);
    json!({ name: condition })
}

#[tokio::test(flavor = "multi_thread")]
async fn clamd_is_found_again() {
    let clamd = Clamd::start().await;
    let fields = json!({"server": clamd.address().to_string()});
    check(&clamd.service, condition("antivirus", fields)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rspamd_is_found_again() {
    let rspamd = Rspamd::start("").await;
    let fields = json!({"engine": "rspamd", "server": rspamd.address().to_string()});
    check(&rspamd.service, condition("antispam", fields)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spamd_is_found_again() {
    let spamd = Spamd::start().await;
    let fields = json!({"engine": "spamd", "server": spamd.address().to_string()});
    check(&spamd.service, condition("antispam", fields)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_milter_is_found_again() {
    let opendkim = Opendkim::start("example.org").await;
    let Door::Port(address) = opendkim.door() else {
        unreachable!("it was started on a port");
    };
    let fields = json!({"milters": [address.to_string()]});
    check(&opendkim.service, condition("milter", fields)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_found_again() {
    let slapd = Slapd::start("").await;
    let (mut directory, _place) = directory(&slapd);
    directory["timeout_seconds"] = 1.into();
    let masquerading = json!({"enabled": true});
    let settings = json!({"directory": directory, "ldap_masquerading": masquerading});
    check(&slapd.service, settings).await;
}
