//! Our certificate for STARTTLS: made at the first start, or read from the administrator's files.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::boot;

/// A certificate chain and its key in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, our own certificate first.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Whether sessions could be secured with them. Reads files: call it where that may take a moment.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), TlsError> {
        server_config(self).map(drop)
    }
}

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// The certificate file holds none.
    #[error("{}: no certificate in it", .0.display())]
    Empty(PathBuf),
    /// The key does not belong to the certificate, or TLS does not take one of them.
    #[error("{}: {error}", certificate.display())]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// Our own certificate cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Our own certificate cannot be made.
    #[error("a certificate for {hostname} cannot be made: {error}")]
    Make {
        /// The name it is for.
        hostname: String,
        /// Why.
        error: rcgen::Error,
    },
}

/// The server's side of TLS. A session takes the configuration at its STARTTLS.
#[derive(Debug)]
pub struct ServerTls {
    own: CertificateFiles,
    current: ArcSwap<ServerConfig>,
}

impl ServerTls {
    /// Begins with our own certificate in `<data_directory>/tls/`, which is made for `hostname` when
    /// it is missing.
    ///
    /// # Errors
    /// When it can neither be read nor made.
    pub fn open(data_directory: &Path, hostname: &str) -> Result<Arc<Self>, TlsError> {
        let directory = data_directory.join("tls");
        let own = CertificateFiles {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
        };
        if !(own.certificate.exists() && own.key.exists()) {
            make_own(&directory, &own, hostname)?;
        }
        let current = ArcSwap::new(server_config(&own)?);
        Ok(Arc::new(Self { own, current }))
    }

    /// What the next session speaks TLS with.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the certificate again, from `files` or, when there are none, our own. Reads files: call it
    /// where that may take a moment.
    ///
    /// # Errors
    /// When it cannot be used; the one before stays.
    pub fn reload(&self, files: Option<&CertificateFiles>) -> Result<(), TlsError> {
        let config = server_config(files.unwrap_or(&self.own))?;
        self.current.store(config);
        Ok(())
    }
}

fn server_config(files: &CertificateFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |path: &PathBuf, error| TlsError::File {
        path: path.clone(),
        error,
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&files.certificate, error))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(files.certificate.clone()));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, error))?;
    // The provider is named, because a process-wide default would be a global that tests share.
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map(Arc::new)
        .map_err(|error| TlsError::Unusable {
            certificate: files.certificate.clone(),
            error,
        })
}

/// Makes a key and a certificate that it signs itself. Clients that encrypt opportunistically, which
/// is nearly all of them, take it (RFC 7435).
fn make_own(directory: &Path, files: &CertificateFiles, hostname: &str) -> Result<(), TlsError> {
    let make = || {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new([hostname.to_owned()])?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, hostname);
        let certificate = parameters.self_signed(&key)?;
        Ok((certificate.pem(), key.serialize_pem()))
    };
    let (certificate, key) = make().map_err(|error| TlsError::Make {
        hostname: hostname.to_owned(),
        error,
    })?;
    let written = |path: &Path, result: io::Result<()>| {
        result.map_err(|error| TlsError::Write {
            path: path.to_owned(),
            error,
        })
    };
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    written(directory, made)?;
    written(&files.key, boot::write_private(&files.key, &key))?;
    // The certificate comes last: while it is missing, the next start makes both anew.
    let path = &files.certificate;
    written(path, boot::write_private(path, &certificate))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn our_own_certificate_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let first = ServerTls::open(directory.path(), "relay.example.net").unwrap();
        let made = fs::read(&first.own.certificate).unwrap();
        assert_eq!(mode(&first.own.key), 0o600);
        let second = ServerTls::open(directory.path(), "relay.example.net").unwrap();
        assert_eq!(fs::read(&second.own.certificate).unwrap(), made);
    }

    #[test]
    fn a_half_made_certificate_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let first = ServerTls::open(directory.path(), "relay.example.net").unwrap();
        fs::remove_file(&first.own.certificate).unwrap();
        assert!(ServerTls::open(directory.path(), "relay.example.net").is_ok());
    }

    #[test]
    fn bad_files_leave_the_certificate_before() {
        let directory = tempfile::tempdir().unwrap();
        let tls = ServerTls::open(directory.path(), "relay.example.net").unwrap();
        let other = ServerTls::open(&directory.path().join("other"), "other.example.net").unwrap();
        let empty = directory.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        let before = tls.config();
        let check = |certificate: &Path, key: &Path, expected: &str| {
            let files = CertificateFiles {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            };
            let error = tls.reload(Some(&files)).unwrap_err();
            let words = error.to_string();
            assert!(words.contains(expected), "{words} lacks {expected}");
            assert!(Arc::ptr_eq(&before, &tls.config()));
        };
        check(&empty, &tls.own.key, "no certificate");
        check(&tls.own.certificate, &empty, "empty.pem");
        check(&directory.path().join("none.pem"), &tls.own.key, "none.pem");
        check(&tls.own.certificate, &other.own.key, "certificate.pem");

        tls.reload(Some(&other.own)).unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.config()));
        tls.reload(None).unwrap();
    }
}
