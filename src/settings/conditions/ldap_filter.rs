//! Filters and names of attributes by which the directory is asked.

use crate::limits;

/// The placeholders of a filter: the address, its local part, its domain.
pub const PLACEHOLDERS: [&str; 3] = ["%s", "%u", "%d"];

/// What is wrong with a filter (RFC 4515); none when nothing is.
#[must_use]
pub fn filter_problem(filter: &str) -> Option<String> {
    if filter.is_empty() {
        return Some("is needed".to_owned());
    }
    // The parser goes as deep as the brackets do.
    let depth = filter.matches('(').count();
    if filter.len() > limits::LDAP_FILTER_BYTES || depth > limits::LDAP_FILTER_PARTS {
        return Some("is too long".to_owned());
    }
    let mut plain = filter.to_owned();
    for placeholder in PLACEHOLDERS {
        plain = plain.replace(placeholder, "x");
    }
    if plain.contains('%') {
        return Some("has a “%” that is none of %s, %u and %d; write \\25 for the sign".to_owned());
    }
    if plain == filter {
        return Some("asks for nobody: the address stands as %s, %u or %d in it".to_owned());
    }
    let is_filter = ldap3::parse_filter(&plain).is_ok();
    (!is_filter).then(|| "is no LDAP filter, like (mail=%s) or (|(mail=%s)(uid=%u))".to_owned())
}

/// What is wrong with the name of an attribute (RFC 4512 §2.5), which has no options; none when nothing is.
#[must_use]
pub fn attribute_problem(text: &str) -> Option<String> {
    let is_name = (1..=limits::LDAP_ATTRIBUTE_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    (!is_name).then(|| "is not the name of an attribute".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        for (filter, part) in [
            ("(mail=%s)", None),
            ("uid=%u", None),
            ("(|(mailLocalAddress=%s)(mail=%s))", None),
            ("(&(objectClass=*)(uid=%u)(!(o=%d)))", None),
            (r"(cn=\25%u)", None),
            ("", Some("is needed")),
            ("(mail=x)", Some("asks for nobody")),
            ("(mail=%s", Some("no LDAP filter")),
            ("(mail=%s))", Some("no LDAP filter")),
            ("mail", Some("asks for nobody")),
            ("%s", Some("no LDAP filter")),
            ("(mail=%x)", Some("none of")),
            (&"(!".repeat(60), Some("too long")),
        ] {
            let problem = filter_problem(filter);
            match part {
                None => assert_eq!(problem, None, "{filter}"),
                Some(part) => {
                    let problem = problem.expect(filter);
                    assert!(problem.contains(part), "{filter}: {problem}");
                }
            }
        }
    }

    #[test]
    fn names_of_attributes_are_checked() {
        for (name, expected) in [
            ("mailHost", true),
            ("2.16.840.1.113730.3.1.18", true),
            ("x-mail", true),
            ("", false),
            ("mail host", false),
            ("mail)(uid=*", false),
        ] {
            assert_eq!(attribute_problem(name).is_none(), expected, "{name}");
        }
    }
}
