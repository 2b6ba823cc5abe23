//! When an administrator is to be alerted, and how.

use super::{DAY, MEBIBYTE, YEAR};
use crate::settings::catalogue::{
    SettingKind as Kind, SettingSection, TextKind, ValueBounds, group, setting, switchable, value,
};

/// The rules of alerts, and the webhook.
#[rustfmt::skip]
pub const ALERTS: SettingSection = SettingSection::new("Alerts", &[
    group("", "Rules", &[
        setting("alert_queue_recipients", "Queue is large",
            "Recipients in the retry queue, those that are held included.",
            Kind::OrOff(&switchable("more than", Kind::Number(ValueBounds::new(1, 1_000_000_000)), "recipients", "10000"))),
        setting("alert_queue_age_seconds", "Mail waits long",
            "Since the oldest message of the retry queue was received, like 4 h.",
            Kind::OrOff(&switchable("the oldest waits for more than", Kind::Time(ValueBounds::new(1, YEAR)), "", "4 h"))),
        setting("alert_breaker_seconds", "Next hop suspended",
            "A next hop that does not answer is suspended, and its mail waits. One alert for each.",
            Kind::OrOff(&switchable("for at least", Kind::Time(ValueBounds::new(1, 30 * DAY)), "", "5 min"))),
        // An alert ends a tenth above its bound, which must be possible.
        setting("alert_disk_free_percent", "Disk fills up, by share",
            "Of the file system with the data directory.",
            Kind::OrOff(&switchable("less free than", Kind::Number(ValueBounds::new(1, 90)), "percent", "10"))),
        setting("alert_disk_free_bytes", "Disk fills up, by size",
            "With both on, the first of the two that is passed counts.",
            Kind::OrOff(&switchable("less free than", Kind::Size(ValueBounds::new(MEBIBYTE, 1 << 60)), "", "1 GiB"))),
        setting("alert_memory_percent", "Memory is full",
            "Of what mail of strangers may fill of the memory budget, for a whole minute.",
            Kind::OrOff(&switchable("messages hold more than", Kind::Number(ValueBounds::new(1, 99)), "percent", "90"))),
        setting("alert_no_delivery_seconds", "Nothing delivered",
            "While mail was there to deliver: messages were accepted, or recipients waited to be tried again.",
            Kind::OrOff(&switchable("for at least", Kind::Time(ValueBounds::new(60, YEAR)), "", "1 h"))),
        setting("alert_no_delivery_when_idle", "Times without mail", "", Kind::Choice(&[
            value("false", "Do not count", "Otherwise every quiet night would be an alert."),
            value("true", "Count as nothing delivered", "For an appliance that always has mail: no mail then means that none reaches it."),
        ])),
    ]),
    group("", "Webhook", &[
        setting("alert_webhook_url", "URL",
            "Like https://alerts.example.net/fastpath. It gets a POST with JSON when an alert begins or ends. Empty: no webhook. Every administrator can see this URL.",
            Kind::Text(TextKind::WebAddress)),
        setting("alert_webhook_secret", "Secret",
            "Signs each request: the header X-Fastpath-Signature: sha256=… is the HMAC-SHA256 of the body in hexadecimal. It is never shown again.",
            Kind::Secret(ValueBounds::new(8, 200))),
    ]),
]);
