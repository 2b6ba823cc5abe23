//! The settings as a file: TOML that one can keep, compare, and bring to another appliance.
//!
//! A file describes all settings. What it does not name has its default after an import, except
//! secrets: those are never written to a file, and stay what they are.

use std::path::Path;

use serde_json::{Map, Value};

use super::Actor;
use super::settings::Difference;
use super::settings_check::{self, OpenRelay};
use super::written_names::OwnAddresses;
use crate::boot::Addresses;
use crate::settings::{FieldErrors, SHOWN, Settings, SettingsDocument, part_mut};
use crate::store::{DatabaseCopy, OfflineSettings, OpenError, StoreError, StoredSettings};

/// The line that names the settings which are switched off: TOML has no word for nothing.
const NOT_SET: &str = "not_set";

/// Why a file was not imported, or the settings not exported.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFileError {
    /// It is no TOML.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// It is empty, which is a mistake.
    #[error("there is no setting in it")]
    Empty,
    /// Fields do not hold; nothing was changed.
    #[error(transparent)]
    Fields(#[from] FieldErrors),
    /// There are no settings to read or to replace.
    #[error("there is no appliance that was started at least once")]
    Missing,
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The settings were not stored; they are what they were.
    #[error("the settings were not stored: {0}")]
    Store(#[from] StoreError),
}

/// The settings of `data_directory` as TOML, without secrets.
///
/// # Errors
/// When there are none, or they cannot be read.
pub async fn export(data_directory: &Path) -> Result<String, SettingsFileError> {
    let mut beside = open(data_directory).await?;
    let written = beside.load().await;
    beside.close().await;
    Ok(text_of(
        written?.ok_or(SettingsFileError::Missing)?.document(),
    ))
}

/// Whether an import counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// It only says what it would do.
    Dry,
    /// It does.
    Real,
}

/// Puts the settings that `text` describes in the place of those of `data_directory`, and names the
/// fields that changed; an appliance that runs follows, see
/// [`follow_store`](super::Administration::follow_store). A dry run checks and names the same and changes
/// nothing.
///
/// # Errors
/// When `text` does not hold as a whole, makes an open relay that is not meant, names a certificate
/// that cannot be used, or was not stored; nothing is changed then.
pub async fn import(
    data_directory: &Path,
    text: &str,
    open_relay: OpenRelay,
    run: ImportMode,
    actor: &Actor,
) -> Result<Vec<String>, SettingsFileError> {
    let file = read(text)?;
    let mut beside = open(data_directory).await?;
    let before = beside.load().await?.ok_or(SettingsFileError::Missing)?;
    let after = replaced(&before, file)?;
    let Some(difference) = Difference::between(before.document(), after.document()) else {
        return Ok(Vec::new());
    };
    // An appliance that runs has written down where it listens.
    let running = Addresses::read(data_directory);
    let ourselves = running.map(|addresses| OwnAddresses::at(&addresses, None));
    let ourselves = ourselves.unwrap_or_default();
    let errors = settings_check::check(&before, after.document(), open_relay, &ourselves);
    settings_check::check_files(&before, after.document(), errors).await?;
    let changed = difference.names();
    if run == ImportMode::Dry {
        beside.close().await;
        return Ok(changed);
    }
    let audit = difference.audited("settings imported", actor);
    let stored = StoredSettings::of(after.document())?;
    let saved = beside.save(stored, audit).await;
    beside.close().await;
    saved?;
    Ok(changed)
}

async fn open(data_directory: &Path) -> Result<OfflineSettings, SettingsFileError> {
    if DatabaseCopy::is_possible(data_directory) {
        Ok(OfflineSettings::open(data_directory).await?)
    } else {
        Err(SettingsFileError::Missing)
    }
}

pub(super) fn text_of(written: &SettingsDocument) -> String {
    let mut fields = written.fields();
    for secret in SettingsDocument::secret_fields() {
        if let Some(secret) = part_mut(&mut fields, secret) {
            *secret = Value::Null;
        }
    }
    let defaults = SettingsDocument::default().fields();
    let not_set = not_set(&fields, &defaults);
    let not_set = match not_set[..] {
        [] => String::new(),
        _ => format!("{NOT_SET} = {not_set:?}\n"),
    };
    let table: toml::Table = fields
        .into_iter()
        .filter_map(|(field, value)| Some((field, toml_of(value)?)))
        .collect();
    format!(
        "# The settings of Fastpath {}, without secrets. To bring them back:\n\
         #   fastpath admin settings import FILE\n\
         # A setting that is missing here then has its default; secrets stay what they are.\n\n{not_set}{table}",
        env!("CARGO_PKG_VERSION")
    )
}

/// What is not set and would have a default if the file did not say so; a part of an object is named behind
/// a dot.
fn not_set(fields: &Map<String, Value>, defaults: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    for (field, value) in fields {
        match (value, &defaults[field]) {
            (Value::Null, Value::Null) => {}
            (Value::Null, _) => names.push(field.clone()),
            (Value::Object(parts), Value::Object(defaults)) => {
                let parts = parts.iter().filter(|(part, value)| {
                    value.is_null() && defaults.get(*part).is_some_and(|value| !value.is_null())
                });
                names.extend(parts.map(|(part, _)| format!("{field}.{part}")));
            }
            _ => {}
        }
    }
    names
}

/// None for null, which TOML does not have: the field is left out.
fn toml_of(value: Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.into(),
        Value::Array(values) => {
            toml::Value::Array(values.into_iter().filter_map(toml_of).collect())
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let table = fields.filter_map(|(field, value)| Some((field, toml_of(value)?)));
            toml::Value::Table(table.collect())
        }
    })
}

pub(super) fn read(text: &str) -> Result<Map<String, Value>, SettingsFileError> {
    let syntax = |offset: usize, problem: &str| SettingsFileError::Syntax {
        line: text[..offset.min(text.len())].matches('\n').count() + 1,
        problem: problem.to_owned(),
    };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        syntax(offset, error.message())
    })?;
    if table.is_empty() {
        return Err(SettingsFileError::Empty);
    }
    match serde_json::to_value(table) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(SettingsFileError::Empty),
        Err(error) => Err(syntax(0, &error.to_string())),
    }
}

/// The defaults with what the file says, and the secrets of `before` where it does not speak of them.
pub(super) fn replaced(
    before: &Settings,
    mut file: Map<String, Value>,
) -> Result<Settings, FieldErrors> {
    if let Some(not_set) = file.remove(NOT_SET) {
        let not_set: Vec<String> = serde_json::from_value(not_set)
            .map_err(|_| FieldErrors::of(NOT_SET, "must be a list of names of settings"))?;
        for name in not_set {
            let (field, part) = name.split_once('.').unwrap_or((&name, ""));
            let whole = file.entry(field).or_insert_with(|| Map::new().into());
            match whole.as_object_mut().filter(|_| !part.is_empty()) {
                Some(parts) => _ = parts.insert(part.to_owned(), Value::Null),
                None => *whole = Value::Null,
            }
        }
    }
    let mut patch = SettingsDocument::default().fields();
    let mut present = before.fields();
    for field in SettingsDocument::secret_fields() {
        // What is shown in a secret's place means the one that is there.
        let is_set = part_mut(&mut present, field).is_some_and(|value| value == SHOWN);
        if let Some(secret) = part_mut(&mut patch, field).filter(|_| is_set) {
            *secret = SHOWN.into();
        }
    }
    for (field, value) in file {
        match (patch.get_mut(&field), value) {
            // The parts of an object that are missing have their defaults, too.
            (Some(Value::Object(parts)), Value::Object(given)) => parts.extend(given),
            (_, value) => {
                patch.insert(field, value);
            }
        }
    }
    before.patched(&patch)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::administration::{FirstStart, first_start};
    use crate::message::Spool;
    use crate::store::Store;

    fn settings(written: SettingsDocument) -> Settings {
        Settings::new(written).expect("they hold")
    }

    fn before() -> SettingsDocument {
        let json = serde_json::json!({
            "memory_threshold_bytes": 16_384,
            "default_next_hop": "smtp://mail.example.net:25",
            "next_hops": [{"domain": "example.org", "address": "smtp://127.0.0.1:2600"}, {"domain": ".example.com"}],
            "relay_domains": ["example.org"],
            "alert_queue_recipients": null,
            "antivirus": {"server": "127.0.0.1:3310"},
            "ldap_relaying": {"host_attribute": null},
        });
        serde_json::from_value(json).expect("they are settings")
    }

    #[tokio::test]
    async fn an_import_is_audited() {
        let place = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(place.path().join("spool"), "boot").expect("a spool");
        let opened = Store::open(place.path(), &spool, Some(Timestamp::now())).await;
        let (store, writers) = opened.expect("a store");
        let actor = Actor::command("admin");
        let import = |text| {
            import(
                place.path(),
                text,
                OpenRelay::Meant,
                ImportMode::Real,
                &actor,
            )
        };
        let error = import("retries_max = 7").await.expect_err("never started");
        assert!(matches!(error, SettingsFileError::Missing), "{error}");
        first_start::settings(&store.administration, &FirstStart::default())
            .await
            .expect("stored");
        let dry = super::import(
            place.path(),
            "retries_max = 7",
            OpenRelay::Meant,
            ImportMode::Dry,
            &actor,
        );
        assert_eq!(dry.await.expect("it holds"), ["retries_max"]);
        let changed = import("retries_max = 7\nkeep_trail = false").await;
        assert_eq!(changed.expect("it holds"), ["keep_trail", "retries_max"]);
        let newest = store
            .administration
            .audit_page(None, 1)
            .await
            .expect("readable");
        assert_eq!(newest[0].who, "command admin");
        assert_eq!(newest[0].action, "settings imported");
        let before = serde_json::json!({"keep_trail": true, "retries_max": 0});
        assert_eq!(newest[0].before, Some(before));
        assert!(store.close(writers).await);
    }

    #[tokio::test]
    async fn an_import_is_checked_as_a_change_in_the_browser_is() {
        let place = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(place.path().join("spool"), "boot").expect("a spool");
        let opened = Store::open(place.path(), &spool, Some(Timestamp::now())).await;
        let (store, writers) = opened.expect("a store");
        let started = first_start::settings(&store.administration, &FirstStart::default()).await;
        started.expect("stored");
        let actor = Actor::command("admin");
        let unsaid = OpenRelay::Unsaid { how: "say so" };
        let everybody = "trusted_networks = [\"0.0.0.0/0\"]";
        let no_files = "tls_certificate_file = \"/none/a.pem\"\ntls_key_file = \"/none/b.pem\"";
        for (text, open_relay, problem) in [
            (
                everybody,
                unsaid,
                Some("trusted_networks: this would be an open relay because of 0.0.0.0/0: say so"),
            ),
            (everybody, OpenRelay::Meant, None),
            // It is one already; that something else changes is no new question.
            (
                "trusted_networks = [\"0.0.0.0/0\"]\nretries_max = 3",
                unsaid,
                None,
            ),
            (
                no_files,
                OpenRelay::Meant,
                Some("tls_certificate_file: /none/a.pem: "),
            ),
        ] {
            let imported = import(place.path(), text, open_relay, ImportMode::Real, &actor).await;
            match (imported, problem) {
                (Ok(changed), None) => assert!(!changed.is_empty(), "{text}"),
                (Err(SettingsFileError::Fields(errors)), Some(problem)) => {
                    assert!(errors.to_string().starts_with(problem), "{errors}");
                    assert_eq!(errors.0.len(), 1, "{errors}");
                }
                (imported, _) => panic!("{text}: {imported:?}"),
            }
        }
        let stored = store
            .administration
            .load_settings()
            .await
            .expect("readable");
        assert_eq!(stored.expect("there are some").retries_max, 3);
        assert!(store.close(writers).await);
    }

    #[test]
    fn what_is_exported_is_imported_as_it_was() {
        for written in [before(), SettingsDocument::default()] {
            let file = read(&text_of(&written)).expect("it is TOML");
            for other in [before(), SettingsDocument::default()] {
                let after = replaced(&settings(other), file.clone()).expect("they hold");
                assert_eq!(*after.document(), written);
            }
        }
    }

    #[test]
    fn secrets_are_not_exported_and_stay() {
        let json = serde_json::json!({
            "alert_webhook_secret": "open sesame",
            "directory": {"bind_dn": "cn=relay", "bind_password": "open sesame"},
        });
        let secretive: SettingsDocument = serde_json::from_value(json).expect("they are settings");
        let text = text_of(&secretive);
        assert!(!text.contains("sesame") && !text.contains(SHOWN), "{text}");
        let file = read(&text).expect("it is TOML");
        let after = replaced(&settings(secretive.clone()), file).expect("they hold");
        assert_eq!(*after.document(), secretive);
    }

    #[test]
    fn what_a_file_does_not_name_has_its_default() {
        let file = read("memory_threshold_bytes = 1024").expect("it is TOML");
        let after = replaced(&settings(before()), file).expect("they hold");
        let expected = SettingsDocument {
            memory_threshold_bytes: 1_024,
            ..SettingsDocument::default()
        };
        assert_eq!(*after.document(), expected);
    }

    fn check(text: &str, expected: &str) {
        let error = read(text)
            .and_then(|file| Ok(replaced(&settings(before()), file)?))
            .expect_err(text);
        assert!(error.to_string().starts_with(expected), "{text}: {error}");
    }

    #[test]
    fn a_file_that_does_not_hold_says_where() {
        check("", "there is no setting in it");
        check("# only words\n", "there is no setting in it");
        check("path = \"fast\"\nretries_max = \n", "line 2: ");
        check("path = \"fast\"\npath = \"fast\"\n", "line 2: ");
        check("weather = 1\n", "weather: there is no such setting");
        check("path = \"scenic\"\n", "path: ");
        check("not_set = 1\n", "not_set: must be a list");
        check("not_set = [\"path\"]\n", "path: ");
        check(
            "ack_deadline_seconds = 90\n",
            "ack_deadline_seconds: must be from 1 s to 25 s",
        );
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let file = read("weather = 1\nack_deadline_seconds = 0\n").expect("it is TOML");
        let errors = replaced(&settings(before()), file).expect_err("they do not hold");
        let fields: Vec<&String> = errors.0.keys().collect();
        assert_eq!(fields, ["ack_deadline_seconds", "weather"]);
    }
}
