//! What is asked of new settings before they are stored, beyond that they hold in themselves: that an
//! open relay is meant, that names and addresses can be some, and that the certificate can be used.
//!
//! Pages, API and command line all come through here; what the one refuses no other lets pass.

use tokio::time::timeout;

use super::written_names::{self, OwnAddresses};
use crate::limits;
use crate::settings::{FieldErrors, SettingsDocument};
use crate::tls::{CertificateFiles, TlsError};

/// Whether a change of the settings is meant to make an open relay, or to give nearly
/// all clients what is meant for few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRelay {
    /// It is meant.
    Meant,
    /// It was not confirmed.
    Unsaid {
        /// How to say it at the door that the change comes through, for the message.
        how: &'static str,
    },
}

impl OpenRelay {
    /// What a door says that has no business with such lists.
    pub const ELSEWHERE: Self = Self::Unsaid {
        how: "the settings page “Access” asks whether that is meant",
    };
}

/// Whether settings may take the place of those `before`, as far as they say themselves. May ask the
/// system about addresses, and takes its time over long lists: call it where that may take a moment.
pub(super) fn check(
    before: &SettingsDocument,
    after: &SettingsDocument,
    open_relay: OpenRelay,
    ourselves: &OwnAddresses,
) -> FieldErrors {
    let mut errors = FieldErrors::default();
    if let OpenRelay::Unsaid { how } = open_relay {
        for opened in after.opened_beyond(before) {
            errors.add(opened.field, format!("{}: {how}", opened.words));
        }
    }
    written_names::check(before, after, ourselves, &mut errors);
    errors
}

/// The same for the files that they name.
///
/// # Errors
/// Those that were there already, and the fields that keep the certificate from being used.
pub(super) async fn check_files(
    before: &SettingsDocument,
    after: &SettingsDocument,
    mut errors: FieldErrors,
) -> Result<(), FieldErrors> {
    if let Some(files) = after.certificate_files()
        && before.certificate_files().as_ref() != Some(&files)
        && let Some((field, problem)) = unusable(files).await
    {
        errors.add(field, problem);
    }
    errors.into_result()
}

/// Loads a certificate before it is stored: one that cannot be used would be noticed only when clients
/// are turned away. Gives the field that keeps it from being used, and why.
async fn unusable(files: CertificateFiles) -> Option<(&'static str, String)> {
    const CERTIFICATE: &str = "tls_certificate_file";
    let key = files.key.clone();
    let checking = tokio::task::spawn_blocking(move || files.check());
    match timeout(limits::CERTIFICATE_WAIT, checking).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => {
            let is_the_key = matches!(&error, TlsError::File { path, .. } if *path == key);
            let field = if is_the_key {
                "tls_key_file"
            } else {
                CERTIFICATE
            };
            Some((field, error.to_string()))
        }
        Ok(Err(_)) | Err(_) => Some((CERTIFICATE, "the files cannot be read in time".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ServerTls;

    #[tokio::test]
    async fn everything_wrong_is_said_at_once() {
        let before = SettingsDocument::default();
        let mut after = SettingsDocument {
            trusted_networks: vec!["::/0".parse().expect("a network")],
            tls_certificate_file: Some("/none/certificate.pem".into()),
            tls_key_file: Some("/none/key.pem".into()),
            ..SettingsDocument::default()
        };
        let unsaid = OpenRelay::Unsaid { how: "say so" };
        let nowhere = OwnAddresses::default();
        let errors = check(&before, &after, unsaid, &nowhere);
        let errors = check_files(&before, &after, errors).await;
        let errors = errors.expect_err("two");
        assert_eq!(
            errors.0["trusted_networks"],
            "this would be an open relay because of ::/0: say so"
        );
        assert!(errors.0["tls_certificate_file"].contains("/none/certificate.pem"));
        let errors = check(&before, &after, OpenRelay::Meant, &nowhere);
        let errors = check_files(&before, &after, errors).await;
        let errors = errors.expect_err("the certificate");
        assert_eq!(errors.0.len(), 1, "{errors}");
        after.tls_certificate_file = None;
        let errors = check(&before, &after, OpenRelay::Meant, &nowhere);
        let checked = check_files(&before, &after, errors).await;
        assert_eq!(checked, Ok(()));
    }

    #[tokio::test]
    async fn certificate_and_key_belong_together() {
        let directories = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        for directory in &directories {
            ServerTls::open(directory.path(), "relay.example.net").expect("made");
        }
        let path = |which: usize, name: &str| directories[which].path().join("tls").join(name);
        for (certificate, key, field) in [
            (path(0, "certificate.pem"), path(0, "key.pem"), None),
            (
                path(0, "certificate.pem"),
                path(1, "key.pem"),
                Some("tls_certificate_file"),
            ),
            (
                path(0, "certificate.pem"),
                path(0, "none.pem"),
                Some("tls_key_file"),
            ),
        ] {
            let files = CertificateFiles { certificate, key };
            let found = unusable(files.clone()).await;
            assert_eq!(found.map(|(field, _)| field), field, "{files:?}");
        }
    }
}
