//! What kinds of values a form has: how each is written for a person and read back.

use serde_json::{Value, json};

use crate::settings::conditions::{Score, filter_problem, is_field_name, pattern_of};
use crate::settings::directory_url::DirectoryUrl;
use crate::settings::names;
use crate::settings::next_hop::ServerAddress;
use crate::settings::quantity::{
    read_count, read_size, read_time, read_times, write_count, write_size, write_time, write_times,
};
use crate::settings::service_address::ServiceAddress;

/// The kind of a setting's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Bytes.
    Size,
    /// Bytes, with some sizes to choose from.
    SizeOf(&'static [Choice]),
    /// Bytes; blank is zero, which stands for something else.
    SizeOrBlank,
    /// Seconds.
    Time,
    /// A list of seconds.
    Times,
    /// A whole number between two bounds, both included.
    Number(u64, u64),
    /// Points of a spam scanner.
    Score,
    /// One of a closed set.
    Choice(&'static [Choice]),
    /// A text; blank is none.
    Text(Reader),
    /// A list of texts, one a line.
    Lines(Reader),
    /// A value that is switched on and off.
    OrOff(&'static Bound),
    /// A text that is set or not, and never shown.
    Secret,
}

/// What stands for a value that is switched off.
pub(super) const OFF: &str = "off";

/// A value that is switched on and off.
#[derive(Debug)]
pub(super) struct Bound {
    /// Before the entry.
    pub(super) words: &'static str,
    pub(super) kind: Kind,
    /// Behind the entry, where the kind has no units of its own.
    pub(super) unit: &'static str,
    /// In the entry while it is off.
    pub(super) usual: &'static str,
}

/// One of a closed set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// As it stands in the form and in the setting; `true` and `false` are what they say.
    pub(super) value: &'static str,
    pub(super) label: &'static str,
    /// What it means, where the label does not say all.
    pub(super) hint: &'static str,
}

/// Reads one text, completing what people leave out.
type Reader = fn(&str) -> Result<String, String>;

impl Kind {
    /// A value as text for the form.
    pub(super) fn write(self, value: &Value) -> String {
        let number = value.as_u64().unwrap_or(0);
        match self {
            Self::SizeOrBlank if number == 0 => String::new(),
            Self::Size | Self::SizeOf(_) | Self::SizeOrBlank => write_size(number),
            Self::Time => write_time(number),
            Self::Times => {
                let times: Vec<u64> = items(value).filter_map(Value::as_u64).collect();
                write_times(&times)
            }
            Self::Number(..) => write_count(number),
            Self::OrOff(_) if value.is_null() => OFF.to_owned(),
            Self::OrOff(bound) => bound.kind.write(value),
            Self::Score | Self::Choice(_) | Self::Text(_) | Self::Secret => plain(value),
            Self::Lines(_) => {
                let lines: Vec<String> = items(value).map(plain).collect();
                lines.join("\n")
            }
        }
    }

    /// What somebody typed as a value.
    ///
    /// # Errors
    /// What is wrong with it, for whoever typed it.
    pub(super) fn read(self, typed: &str) -> Result<Value, String> {
        match self {
            Self::SizeOrBlank if typed.is_empty() => Ok(json!(0)),
            Self::Size | Self::SizeOf(_) | Self::SizeOrBlank => read_size(typed).map(Value::from),
            Self::Time => read_time(typed).map(Value::from),
            Self::Times => read_times(typed).map(Value::from),
            Self::Number(least, most) => read_count(typed)
                .ok()
                .filter(|number| (least..=most).contains(number))
                .map(Value::from)
                .ok_or_else(|| {
                    let (least, most) = (write_count(least), write_count(most));
                    format!("must be a whole number from {least} to {most}")
                }),
            Self::Score => typed.parse().map(|score: Score| json!(score)),
            Self::Choice(choices) => choices
                .iter()
                .find(|choice| choice.value == typed)
                .map(|choice| match choice.value {
                    "true" => json!(true),
                    "false" => json!(false),
                    // What holds without a choice.
                    "" => Value::Null,
                    word => json!(word),
                })
                .ok_or_else(|| "choose one of these".to_owned()),
            Self::OrOff(_) if typed == OFF => Ok(Value::Null),
            Self::OrOff(bound) => bound.kind.read(typed),
            Self::Text(_) if typed.is_empty() => Ok(Value::Null),
            Self::Secret => Ok(typed.into()),
            Self::Text(read) => read(typed).map(Value::from),
            Self::Lines(read) => typed
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|line| !line.is_empty())
                .map(|line| read(line).map(Value::from))
                .collect::<Result<Vec<Value>, String>>()
                .map(Value::Array),
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A next hop's server; `smtp://` may be left out.
pub(super) fn server(text: &str) -> Result<String, String> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("smtp://{text}")
    };
    let server: ServerAddress = full.parse().map_err(|_| {
        format!("“{text}” is not a server: write it like smtp://mail.example.net:25")
    })?;
    match names::server_problem(&server) {
        Some(problem) => Err(problem),
        None => Ok(server.to_string()),
    }
}

/// A DNS server; the port may be left out.
pub(super) fn dns_server(text: &str) -> Result<String, String> {
    let server = names::read_dns_server(text)?;
    match names::address_problem(server.ip()) {
        Some(problem) => Err(problem),
        None => Ok(server.to_string()),
    }
}

/// A network; a single address is one, too.
pub(super) fn network(text: &str) -> Result<String, String> {
    let network = names::read_network(text)?;
    match names::network_problem(&network) {
        Some(problem) => Err(problem),
        None => Ok(network.to_string()),
    }
}

/// A domain in lower case.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let domain = text.trim_end_matches('.').to_lowercase();
    match names::domain_problem(&domain) {
        Some(problem) => Err(problem),
        None => Ok(domain),
    }
}

/// A service of ours.
pub(super) fn service(text: &str) -> Result<String, String> {
    let service: ServiceAddress = text.parse()?;
    Ok(service.to_string())
}

/// An LDAP directory.
pub(super) fn directory(text: &str) -> Result<String, String> {
    let directory: DirectoryUrl = text.parse()?;
    Ok(directory.to_string())
}

/// A filter by which a directory is asked.
pub(super) fn filter(text: &str) -> Result<String, String> {
    match filter_problem(text) {
        None => Ok(text.to_owned()),
        Some(problem) => Err(problem),
    }
}

/// A regular expression.
pub(super) fn pattern(text: &str) -> Result<String, String> {
    match pattern_of(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(problem) => Err(format!("this {problem}")),
    }
}

/// The name of a header field.
pub(super) fn field_name(text: &str) -> Result<String, String> {
    if is_field_name(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("“{text}” is no name of a header field"))
    }
}

/// What the settings themselves say what is wrong with.
pub(super) fn as_typed(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// A file by its whole path: the appliance's working directory is nobody's business.
pub(super) fn file(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err("give the whole path, beginning with /".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: &[Choice] = &[
        Choice {
            value: "green",
            label: "Green",
            hint: "",
        },
        Choice {
            value: "true",
            label: "Yes",
            hint: "",
        },
    ];

    const HOW_LONG: &Bound = &Bound {
        words: "for at least",
        kind: Kind::Time,
        unit: "",
        usual: "1 h",
    };

    #[test]
    fn values_are_written_and_read_back() {
        for (kind, value, text) in [
            (Kind::Size, json!(49_152), "48 KiB"),
            (Kind::SizeOrBlank, json!(0), ""),
            (Kind::SizeOrBlank, json!(1_048_576), "1 MiB"),
            (Kind::Time, json!(432_000), "5 days"),
            (Kind::Times, json!([60, 300]), "1 min, 5 min"),
            (Kind::Number(0, 10), json!(7), "7"),
            (Kind::Number(0, 10_000), json!(10_000), "10,000"),
            (Kind::Choice(COLOURS), json!("green"), "green"),
            (Kind::Choice(COLOURS), json!(true), "true"),
            (Kind::Text(server), Value::Null, ""),
            (
                Kind::Text(server),
                json!("smtp://mail.example.net:26"),
                "smtp://mail.example.net:26",
            ),
            (Kind::OrOff(HOW_LONG), Value::Null, "off"),
            (Kind::OrOff(HOW_LONG), json!(90), "1 min 30 s"),
            (Kind::Score, json!(7.5), "7.5"),
            (Kind::Lines(domain), json!([]), ""),
            (
                Kind::Lines(domain),
                json!(["a.example", ".b.example"]),
                "a.example\n.b.example",
            ),
        ] {
            assert_eq!(kind.write(&value), text);
            assert_eq!(kind.read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_people_leave_out_is_completed() {
        for (kind, typed, expected) in [
            (
                Kind::Text(server),
                "Mail.example.net",
                json!("smtp://mail.example.net:25"),
            ),
            (Kind::Text(server), "[::1]:26", json!("smtp://[::1]:26")),
            (
                Kind::Lines(dns_server),
                "192.0.2.53 ::1,192.0.2.54:5353",
                json!(["192.0.2.53:53", "[::1]:53", "192.0.2.54:5353"]),
            ),
            (
                Kind::Lines(network),
                "10.0.0.0/8\r\n192.0.2.7\r\n\r\n2001:db8::1",
                json!(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::1/128"]),
            ),
            (Kind::Lines(domain), "Example.NET.", json!(["example.net"])),
        ] {
            assert_eq!(kind.read(typed), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (kind, typed, part) in [
            (Kind::Size, "much", "“much” is not a size"),
            (Kind::Times, "1m 5m", "commas"),
            (Kind::Number(1, 10), "11", "from 1 to 10"),
            (Kind::Number(1, 10), "x", "from 1 to 10"),
            (Kind::Choice(COLOURS), "blue", "choose one"),
            (Kind::OrOff(HOW_LONG), "", "not a time"),
            (Kind::Score, "7,5", "like 7.5"),
            (Kind::Text(server), "a b", "not a server"),
            (Kind::Text(server), "0.0.0.0", "no server’s address"),
            (Kind::Text(server), "-x", "not the name of a server"),
            (Kind::Text(domain), "127.0.0.1", "an address, not a domain"),
            (
                Kind::Lines(network),
                "10.1.2.3/8",
                "10.0.0.0/8 is the whole",
            ),
            (Kind::Lines(dns_server), "0.0.0.0", "no server’s address"),
            (Kind::Text(file), "tls/key.pem", "whole path"),
            (Kind::Lines(network), "::1\n10.0.0.0/33", "“10.0.0.0/33”"),
            (Kind::Lines(dns_server), "ns.example.net", "not an address"),
        ] {
            let problem = kind.read(typed).expect_err(typed);
            assert!(problem.contains(part), "{typed}: {problem}");
        }
    }
}
