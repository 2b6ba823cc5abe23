//! Whom we take for the directory: its certificate is checked, because it decides where mail goes.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::settings::conditions::Directory as Settings;

/// A connector that trusts the system's authorities and those that are set. Reads their files in a place
/// where that may take a moment.
///
/// # Errors
/// When the file that is set holds none.
pub(super) async fn connector(settings: &Settings) -> Result<TlsConnector, String> {
    let file = settings.ca_file.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let Some(file) = file else {
            return Ok(roots);
        };
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let own = CertificateDer::pem_file_iter(&file).and_then(Iterator::collect);
        let own: Vec<CertificateDer<'static>> = own.map_err(|error| told(&error))?;
        match roots.add_parsable_certificates(own) {
            (0, _) => Err(told(&"no certificate in it")),
            _ => Ok(roots),
        }
    });
    let roots = read.await.map_err(|error| error.to_string())??;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
