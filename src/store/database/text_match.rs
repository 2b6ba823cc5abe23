//! Texts that are looked for, as conditions of a query.

use std::borrow::Cow;

use sqlx::{QueryBuilder, Sqlite};

use crate::smtp::domain::{ascii_domain, unicode_domain};

/// `column` holds `text`, or begins with it when it ends in `*`. What has a NUL is found nowhere: SQLite
/// would take the pattern to end there.
pub(in crate::store) fn push_like(
    query: &mut QueryBuilder<Sqlite>,
    column: &str,
    text: Option<&str>,
) {
    let Some(text) = text else { return };
    if text.contains('\0') {
        query.push(" AND FALSE");
        return;
    }
    query.push(" AND ").push(column).push(" LIKE ");
    query.push_bind(pattern_of(text)).push(" ESCAPE '\\'");
}

pub(in crate::store) fn pattern_of(text: &str) -> String {
    let (anywhere, text) = match text.strip_suffix('*') {
        Some(prefix) => ("", prefix),
        None => ("%", text),
    };
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push_str(anywhere);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// An address, or its domain, as it may be stored: as it is asked for and, where the domain is internationalised, in
/// either form of that.
pub(in crate::store) fn forms_of(address: &str) -> Vec<String> {
    let mut forms = vec![address.to_owned()];
    let (before, domain) = match address.rfind('@') {
        Some(at) => address.split_at(at + 1),
        None => ("", address),
    };
    if !domain.is_ascii() || domain.to_ascii_lowercase().contains("xn--") {
        let ascii = ascii_domain(domain).map(Cow::into_owned);
        let domains = [ascii, unicode_domain(domain)];
        let others = domains.into_iter().flatten();
        forms.extend(others.map(|domain| format!("{before}{domain}")));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internationalised_domain_is_asked_for_in_either_form() {
        for (address, others) in [
            ("a@Example.net", &[][..]),
            ("", &[]),
            ("BÜCHER.test", &["xn--bcher-kva.test", "bücher.test"]),
            ("a@bücher.test", &["a@xn--bcher-kva.test", "a@bücher.test"]),
            ("A@BÜCHER.test", &["A@xn--bcher-kva.test", "A@bücher.test"]),
            (
                "a@XN--bcher-kva.test",
                &["a@XN--bcher-kva.test", "a@bücher.test"],
            ),
        ] {
            let forms = forms_of(address);
            assert_eq!(forms[0], address);
            assert_eq!(forms[1..], *others, "{address}");
        }
    }
}
