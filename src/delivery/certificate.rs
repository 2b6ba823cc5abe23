//! What an administrator should know of a next hop's certificate. Delivery itself takes any (RFC 7435).

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

/// Names of a certificate that are told.
const NAMES_TOLD: usize = 5;

/// What is wrong with a chain for a server of this name, by this machine's authorities and clock;
/// nothing when a strict client would take it. Reads the authorities' files: call it where that may
/// take a moment.
pub(super) fn doubts(chain: &[CertificateDer<'_>], host: &str) -> Vec<String> {
    let Some((own, intermediates)) = chain.split_first() else {
        return vec!["the server has none".to_owned()];
    };
    let own = match ParsedCertificate::try_from(own) {
        Ok(own) => own,
        Err(error) => return vec![in_words(&error)],
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = aws_lc_rs::default_provider();
    let signed = verify_server_cert_signed_by_trust_anchor(
        &own,
        &roots,
        intermediates,
        UnixTime::now(),
        provider.signature_verification_algorithms.all,
    );
    let named = match ServerName::try_from(host) {
        Ok(name) => verify_server_name(&own, &name),
        Err(_) => Err(CertificateError::NotValidForName.into()),
    };
    [signed, named]
        .into_iter()
        .filter_map(Result::err)
        .map(|error| in_words(&error))
        .collect()
}

fn in_words(error: &Error) -> String {
    let Error::InvalidCertificate(reason) = error else {
        return error.to_string();
    };
    match reason {
        CertificateError::UnknownIssuer => {
            "no authority that this machine knows has signed it".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let told = presented.iter().take(NAMES_TOLD);
            let told: Vec<&str> = told.map(|name| bare(name)).collect();
            format!("it is for {}", told.join(", "))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        CertificateError::BadEncoding => "it cannot be read".to_owned(),
        _ => error.to_string(),
    }
}

/// The name in `DnsName("mx.example.net")`.
fn bare(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_a_stranger() {
        let names = vec!["elsewhere.example.com".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let chain = [made.cert.der().clone()];
        let stranger = "no authority that this machine knows has signed it";
        for (host, expected) in [
            ("elsewhere.example.com", vec![stranger]),
            (
                "mx.example.net",
                vec![stranger, "it is for elsewhere.example.com"],
            ),
            (
                "192.0.2.1",
                vec![stranger, "it is for elsewhere.example.com"],
            ),
        ] {
            assert_eq!(doubts(&chain, host), expected, "{host}");
        }
        assert_eq!(doubts(&[], "mx.example.net"), ["the server has none"]);
        let nonsense = [CertificateDer::from(vec![1, 2, 3])];
        assert_eq!(doubts(&nonsense, "mx.example.net"), ["it cannot be read"]);
    }
}
