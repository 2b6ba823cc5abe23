use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::*;
use crate::settings::Settings;

fn defaults() -> Settings {
    Settings::new(SettingsDocument::default()).expect("the defaults hold")
}

/// The places of all fields of an object that are no objects themselves.
fn leaves(object: &str, fields: &Map<String, Value>) -> Vec<String> {
    let leaves = fields.iter().flat_map(|(name, value)| match value {
        Value::Object(parts) => leaves(&joined(object, name), parts),
        _ => vec![joined(object, name)],
    });
    leaves.collect()
}

#[test]
fn every_setting_has_one_row() {
    let defaults = SettingsDocument::default();
    let mut expected = leaves("", &object(&defaults));
    for list in sections().iter().flat_map(|section| section.lists) {
        expected.extend(leaves(list.path, &(list.new)(&defaults)));
    }
    expected.sort();
    let mut described: Vec<&str> = all().iter().map(|placed| placed.path.as_str()).collect();
    described.sort_unstable();
    assert_eq!(described, expected);
}

#[test]
fn every_row_has_words() {
    for description in descriptions() {
        let PlacedSetting {
            path, label, hint, ..
        } = description.placed;
        assert!(!label.is_empty(), "{path}");
        let is_explained = !hint.is_empty() || !description.values.is_empty();
        let is_plain = ["Protocol", "Path"].contains(label) || path.starts_with("own_conditions.");
        assert!(is_explained || is_plain, "{path}");
    }
}

#[test]
fn the_secrets_are_those_of_the_tables() {
    let secrets = all().iter().filter(|placed| placed.is_secret());
    let mut secrets: Vec<&str> = secrets.map(|placed| placed.path.as_str()).collect();
    secrets.sort_unstable();
    let mut fields = SettingsDocument::secret_fields();
    fields.sort_unstable();
    assert_eq!(secrets, fields);
}

/// The words of a choice are those that its type reads: all of them, and no others.
#[test]
fn every_choice_is_read() {
    for placed in all() {
        let Some(Setting {
            kind: SettingKind::Choice(values),
            ..
        }) = placed.setting
        else {
            continue;
        };
        for value in *values {
            let errors = refused(placed, value.json());
            let is_unread = errors.values().any(|problem| problem.contains("none of"));
            assert!(!is_unread, "{}: {errors:?}", placed.path);
        }
        let errors = refused(placed, json!("scenic"));
        let problem = errors.values().next().expect("there is no such word");
        if let Some((_, known)) = problem.split_once("none of ") {
            let words: Vec<&str> = known.split(", ").collect();
            let listed: Vec<&str> = values.iter().map(|value| value.value).collect();
            let listed: Vec<&str> = listed.into_iter().filter(|word| !word.is_empty()).collect();
            assert_eq!(sorted(words), sorted(listed), "{}", placed.path);
        }
    }
}

fn sorted(mut words: Vec<&str>) -> Vec<&str> {
    words.sort_unstable();
    words
}

/// What is wrong with the settings when this one has a value and all others their defaults.
fn refused(placed: &PlacedSetting, value: Value) -> BTreeMap<String, String> {
    let patch = patch(placed, value);
    let errors = defaults().patched(&patch).err();
    errors.unwrap_or_default().0
}

fn patch(placed: &PlacedSetting, value: Value) -> Map<String, Value> {
    let (path, value) = match (placed.list, placed.setting) {
        (Some(list), Some(setting)) => {
            let mut entry = (list.new)(&defaults());
            entry.insert(list.key.to_owned(), json!(key_of(list)));
            entry.insert(setting.name.to_owned(), value);
            (list.path, json!([entry]))
        }
        _ => (placed.path.as_str(), value),
    };
    let (field, value) = match path.split_once('.') {
        Some((object, name)) => (object, json!({ name: value })),
        None => (path, value),
    };
    Map::from_iter([(field.to_owned(), value)])
}

fn key_of(list: &EntryList) -> &'static str {
    match list.path {
        "listeners" => "127.0.0.1:25",
        "next_hops" | "blackhole_lists.zones" => "a.example",
        _ => "a",
    }
}

/// Values at both sides of each bound.
fn samples(kind: SettingKind) -> Vec<Value> {
    let around = |bounds: ValueBounds| {
        let ValueBounds { least, most } = bounds;
        let numbers = [
            least.checked_sub(1),
            Some(least),
            Some(most),
            most.checked_add(1),
        ];
        let numbers = numbers.into_iter().flatten();
        // Numbers of 32 bits have their own bound.
        numbers.filter(move |number| *number < u64::from(u32::MAX) || bounds != ValueBounds::ANY)
    };
    match kind {
        SettingKind::Size(bounds)
        | SettingKind::SizeOf(bounds, _)
        | SettingKind::Time(bounds)
        | SettingKind::Number(bounds) => around(bounds).map(Value::from).collect(),
        SettingKind::SizeOrBlank(bounds) => {
            let numbers = around(bounds).chain([0]);
            numbers.map(Value::from).collect()
        }
        SettingKind::Times(bounds, most) => {
            let lists = around(bounds).map(|time| json!([time]));
            let lengths = [0, 1, most, most + 1].map(|length| json!(vec![60; length]));
            lists.chain(lengths).collect()
        }
        SettingKind::Score => [-1.0, 0.0, 0.01, 7.5, 1_000.0, 1_000.01]
            .map(Value::from)
            .to_vec(),
        SettingKind::OrOff(switchable) => {
            let mut values = samples(switchable.kind);
            values.push(Value::Null);
            values
        }
        SettingKind::Secret(bounds) => around(bounds)
            .filter(|length| (1..1_000).contains(length))
            .map(|length| "x".repeat(length as usize).into())
            .collect(),
        SettingKind::Text(text) => texts(text).iter().map(|text| json!(text)).collect(),
        // A line with a blank is two.
        SettingKind::Lines(text, _) => {
            let texts = texts(text).iter().filter(|text| !text.contains(' '));
            texts.map(|text| json!([text])).collect()
        }
        SettingKind::Choice(values) => values.iter().map(ChoiceValue::json).collect(),
    }
}

fn texts(kind: TextKind) -> &'static [&'static str] {
    match kind {
        TextKind::Any => &[],
        TextKind::Domain => &["a.example", ".a.example", "ü.example", "a..b", "a b"],
        TextKind::Server => &["smtp://a.example:25", "lmtp://[::1]:24", "smtp://a b:25"],
        TextKind::NextHopName => &["a.example", "[::1]:25", "A", "a b"],
        TextKind::DnsServer => &["192.0.2.53:53", "[::1]:53", "ns.example"],
        TextKind::Network => &["127.0.0.0/16", "127.0.0.2/32", "10.0.0.0/33"],
        TextKind::ListenerAddress => &["127.0.0.1:25", "[::1]:2525", "127.0.0.1"],
        TextKind::Service => &["127.0.0.1:3310", "unix:/run/clamd.ctl", "clamd"],
        TextKind::Milter => &["127.0.0.1:8891", "unix:/run/milter.sock", "opendkim"],
        TextKind::Directory => &["ldap://a.example:389", "ldaps://[::1]:636", "a.example"],
        TextKind::DistinguishedName => &["cn=a", "cn=\u{7}"],
        TextKind::BaseName => &["dc=example", "example", "dc=\u{7}"],
        TextKind::Filter => &["(mail=%s)", "(mail=a)", "mail=%s", "(mail=%x)"],
        TextKind::Attribute => &["mailHost", "a b", "ä"],
        TextKind::Pattern => &["a", "@example\\.org$"],
        TextKind::FieldName => &["Subject"],
        TextKind::File => &["/etc/a.pem", "a.pem"],
        TextKind::NewFile => &["/etc/a.pem"],
        TextKind::WebAddress => &["https://a.example/b", "ftp://a.example/", "a.example"],
    }
}

/// What a form refuses is refused as a change of the settings, too, and the reverse; with the same words
/// where it is a bound.
#[test]
fn forms_and_documents_refuse_the_same() {
    let mut is_any_refused = 0;
    for placed in all() {
        let Some(Setting { kind, name, .. }) = placed.setting else {
            continue;
        };
        for value in samples(*kind) {
            // What the key of an entry must be is a matter of the entry.
            if placed.list.is_some_and(|list| list.key == *name) {
                continue;
            }
            let typed = kind.write(&value);
            let form = kind.read(&typed).err().or_else(|| {
                // A secret is checked where it is known which one there is already.
                matches!(kind, SettingKind::Secret(_)).then(|| kind.problem(&value))?
            });
            let errors = refused(placed, value.clone());
            let field = placed.list.map_or(placed.path.as_str(), |list| list.path);
            let object = field.split('.').next().unwrap_or_default();
            let document = errors.get(field).or_else(|| errors.get(object));
            // Some settings are of use only with others.
            let needs_others = document.is_some_and(|problem| needs_others(problem));
            if needs_others && form.is_none() {
                continue;
            }
            let path = &placed.path;
            assert_eq!(
                form.is_some(),
                document.is_some(),
                "{path}: {value}: {form:?}, {errors:?}"
            );
            is_any_refused += usize::from(form.is_some());
            if let (Some(form), Some(document)) = (form, document)
                && form.starts_with("must be ")
            {
                assert!(document.ends_with(&form), "{path}: {document}");
            }
        }
    }
    assert!(is_any_refused > 100, "{is_any_refused}");
}

fn needs_others(problem: &str) -> bool {
    [
        "is needed",
        "needs ",
        "needed to switch",
        "given together",
        "must be higher",
        "must be less",
        "refuse, tag",
        "say for which",
        "is the port of SMTP",
        "is asked over TCP",
        "leads to cut-through",
        "leaves no room",
        "at least",
        "there must be",
    ]
    .iter()
    .any(|part| problem.contains(part))
}

#[test]
fn a_setting_is_found_by_its_place() {
    for (path, expected) in [
        ("antispam.timeout_seconds", Some("from 1 s to 2 min")),
        ("next_hop_defaults.connections_max", Some("from 1 to 1,000")),
        ("next_hops.connections_max", Some("from 1 to 1,000")),
        ("content_filter.rules", Some("a list of up to")),
        ("weather", None),
        ("antispam", None),
    ] {
        let description = describe(path);
        assert_eq!(description.is_some(), expected.is_some(), "{path}");
        if let (Some(description), Some(expected)) = (description, expected) {
            let text = description.to_string();
            assert!(text.contains(expected), "{text}");
            assert!(text.starts_with(&format!("{path}: ")), "{text}");
        }
    }
    let secret = describe("directory.bind_password").expect("it is there");
    assert!(secret.placed.is_secret());
}

/// With FASTPATH_WRITE_DOCS the page is written anew.
#[test]
fn the_settings_page_is_as_the_tables_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    if std::env::var_os("FASTPATH_WRITE_DOCS").is_some() {
        std::fs::write(file, markdown()).expect("written");
    }
    let page = std::fs::read_to_string(file).expect("there is a page");
    let (left, right) = (page.lines(), markdown());
    for (left, right) in left.zip(right.lines()) {
        assert_eq!(
            left, right,
            "{file} is to be written anew; its head says how"
        );
    }
    assert_eq!(page.len(), markdown().len());
}
