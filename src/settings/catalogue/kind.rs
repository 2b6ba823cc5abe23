//! The kinds of settings: how a value is written for a person, read back, and checked.

use serde_json::{Value, json};

use super::text::TextKind;
use crate::settings::SHOWN;
use crate::settings::conditions::Score;
use crate::settings::quantity::{
    read_count, read_size, read_time, read_times, write_count, write_size, write_time, write_times,
};

/// What a setting's value may be.
#[derive(Clone, Copy, Debug)]
pub enum SettingKind {
    /// Bytes.
    Size(ValueBounds),
    /// Bytes, with some sizes to choose from.
    SizeOf(ValueBounds, &'static [ChoiceValue]),
    /// Bytes; blank is zero, which has a meaning of its own.
    SizeOrBlank(ValueBounds),
    /// Seconds.
    Time(ValueBounds),
    /// A list of seconds: the bounds of each, and how many there may be.
    Times(ValueBounds, usize),
    /// A whole number.
    Number(ValueBounds),
    /// Points of a spam scanner.
    Score,
    /// One of a closed set.
    Choice(&'static [ChoiceValue]),
    /// A text; blank is none.
    Text(TextKind),
    /// A list of texts, one a line, and how many there may be.
    Lines(TextKind, usize),
    /// A value that is switched on and off.
    OrOff(&'static Switchable),
    /// A text that is set or not, and never shown: how many characters it may have.
    Secret(ValueBounds),
}

/// The least and the greatest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueBounds {
    /// The least value.
    pub least: u64,
    /// The greatest value.
    pub most: u64,
}

impl ValueBounds {
    /// No bounds.
    pub const ANY: Self = Self::new(0, u64::MAX);

    /// Both bounds are allowed values.
    #[must_use]
    pub const fn new(least: u64, most: u64) -> Self {
        Self { least, most }
    }

    fn has(self, value: u64) -> bool {
        (self.least..=self.most).contains(&value)
    }

    /// “from 1 KiB to 1 GiB”; none where there are no bounds.
    pub(super) fn words(self, write: fn(u64) -> String) -> Option<String> {
        let (least, most) = (write(self.least), write(self.most));
        (self != Self::ANY).then(|| format!("from {least} to {most}"))
    }

    /// What is wrong with a value.
    fn problem(self, value: u64, write: fn(u64) -> String) -> Option<String> {
        if self.has(value) {
            return None;
        }
        Some(format!("must be {}", self.words(write)?))
    }

    /// What is wrong with what is no whole number, or none of these.
    fn number_problem(self) -> String {
        let words = self.words(write_count);
        let words = words.map(|words| format!(" {words}")).unwrap_or_default();
        format!("must be a whole number{words}")
    }
}

/// The word for a value that is switched off.
pub const OFF: &str = "off";

/// A value that is switched on and off.
#[derive(Debug)]
pub struct Switchable {
    /// Before the entry.
    pub words: &'static str,
    /// The value while it is on.
    pub kind: SettingKind,
    /// Behind the entry, where the kind has no units of its own.
    pub unit: &'static str,
    /// In the entry while it is off.
    pub usual: &'static str,
}

/// A value that is switched on and off, as a row of a table.
#[must_use]
pub const fn switchable(
    words: &'static str,
    kind: SettingKind,
    unit: &'static str,
    usual: &'static str,
) -> Switchable {
    Switchable {
        words,
        kind,
        unit,
        usual,
    }
}

/// One of a closed set.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceValue {
    /// The word of the form and of the setting; `true` and `false` are what they say, and a blank one
    /// is what holds without a choice.
    pub value: &'static str,
    /// What pages call it.
    pub label: &'static str,
    /// What it means, where the label does not say all.
    pub hint: &'static str,
}

/// One of a closed set, as a row of a table.
#[must_use]
pub const fn value(value: &'static str, label: &'static str, hint: &'static str) -> ChoiceValue {
    ChoiceValue { value, label, hint }
}

impl ChoiceValue {
    /// The value among the settings.
    pub(super) fn json(&self) -> Value {
        match self.value {
            "true" => json!(true),
            "false" => json!(false),
            "" => Value::Null,
            word => json!(word),
        }
    }
}

impl SettingKind {
    /// A value as text for a person.
    #[must_use]
    pub fn write(self, value: &Value) -> String {
        let number = value.as_u64().unwrap_or(0);
        match self {
            Self::SizeOrBlank(_) if number == 0 => String::new(),
            Self::Size(_) | Self::SizeOf(..) | Self::SizeOrBlank(_) => write_size(number),
            Self::Time(_) => write_time(number),
            Self::Times(..) => {
                let times: Vec<u64> = items(value).filter_map(Value::as_u64).collect();
                write_times(&times)
            }
            Self::Number(_) => write_count(number),
            Self::OrOff(_) if value.is_null() => OFF.to_owned(),
            Self::OrOff(switchable) => switchable.kind.write(value),
            Self::Score | Self::Choice(_) | Self::Text(_) | Self::Secret(_) => plain(value),
            Self::Lines(..) => {
                let lines: Vec<String> = items(value).map(plain).collect();
                lines.join("\n")
            }
        }
    }

    /// “from 1 s to 2 min”: what a value or an entry may be; none where there are no bounds, or the value is
    /// switched on and off.
    #[must_use]
    pub fn range(self) -> Option<String> {
        match self {
            Self::Size(bounds) | Self::SizeOf(bounds, _) => bounds.words(write_size),
            Self::Time(bounds) => bounds.words(write_time),
            Self::Times(bounds, _) => Some(format!("each {}", bounds.words(write_time)?)),
            Self::Number(bounds) => bounds.words(write_count),
            _ => None,
        }
    }

    /// The value that was typed.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence for the person who typed it.
    pub fn read(self, typed: &str) -> Result<Value, String> {
        let value = self.read_unchecked(typed)?;
        match self {
            // The check of the whole settings knows which secret is there already.
            Self::Secret(_) => Ok(value),
            _ => self.problem(&value).map_or(Ok(value), Err),
        }
    }

    fn read_unchecked(self, typed: &str) -> Result<Value, String> {
        match self {
            Self::SizeOrBlank(_) if typed.is_empty() => Ok(json!(0)),
            Self::Size(_) | Self::SizeOf(..) | Self::SizeOrBlank(_) => {
                read_size(typed).map(Value::from)
            }
            Self::Time(_) => read_time(typed).map(Value::from),
            Self::Times(..) => read_times(typed).map(Value::from),
            Self::Number(bounds) => {
                let number = read_count(typed).map(Value::from);
                number.map_err(|_| bounds.number_problem())
            }
            Self::Score => typed.parse().map(|score: Score| json!(score)),
            Self::Choice(values) => values
                .iter()
                .find(|choice| choice.value == typed)
                .map(ChoiceValue::json)
                .ok_or_else(|| "choose one of these".to_owned()),
            Self::OrOff(_) if typed == OFF => Ok(Value::Null),
            Self::OrOff(switchable) => switchable.kind.read_unchecked(typed),
            Self::Text(_) if typed.is_empty() => Ok(Value::Null),
            Self::Secret(_) => Ok(typed.into()),
            Self::Text(text) => text.read(typed).map(Value::from),
            Self::Lines(text, _) => typed
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|line| !line.is_empty())
                .map(|line| text.read(line).map(Value::from))
                .collect::<Result<Vec<Value>, String>>()
                .map(Value::Array),
        }
    }

    /// What is wrong with a value of the right type; none when nothing is.
    pub(super) fn problem(self, value: &Value) -> Option<String> {
        match self {
            Self::Size(bounds) | Self::SizeOf(bounds, _) => {
                bounds.problem(value.as_u64()?, write_size)
            }
            Self::SizeOrBlank(bounds) => {
                let bytes = value.as_u64().filter(|bytes| *bytes != 0)?;
                bounds.problem(bytes, write_size)
            }
            Self::Time(bounds) => bounds.problem(value.as_u64()?, write_time),
            Self::Times(bounds, most) => times_problem(value, bounds, most),
            Self::Number(bounds) => (!bounds.has(value.as_u64()?)).then(|| bounds.number_problem()),
            Self::Score => {
                let points = value.as_f64()?;
                let holds = points > 0.0 && points <= Score::MOST.into();
                (!holds).then(|| {
                    let most = write_count(Score::MOST.into());
                    format!("must be more than 0 and at most {most}")
                })
            }
            Self::OrOff(_) if value.is_null() => None,
            Self::OrOff(switchable) => switchable.kind.problem(value),
            Self::Text(text) => text.problem(value.as_str()?),
            Self::Lines(text, most) => lines_problem(value, text, most),
            Self::Secret(bounds) => secret_problem(value.as_str()?, bounds),
            // The types of the settings know which words there are.
            Self::Choice(_) => None,
        }
    }
}

/// What is wrong with the length of a list; none when nothing is.
pub(super) fn length_problem(length: usize, most: usize) -> Option<String> {
    (length > most).then(|| {
        let [length, most] = [length, most].map(|number| write_count(number as u64));
        format!("has {length} entries; there can be at most {most}")
    })
}

fn times_problem(value: &Value, bounds: ValueBounds, most: usize) -> Option<String> {
    let times = value.as_array()?;
    if !(1..=most).contains(&times.len()) {
        return Some(format!("must have from 1 to {most} waits"));
    }
    let problem = |time: &Value| bounds.problem(time.as_u64()?, write_time);
    let problem = times.iter().find_map(problem)?;
    Some(format!("each wait {problem}"))
}

fn lines_problem(value: &Value, text: TextKind, most: usize) -> Option<String> {
    let lines = value.as_array()?;
    length_problem(lines.len(), most).or_else(|| {
        let mut lines = lines.iter().filter_map(Value::as_str);
        lines.find_map(|line| text.problem(line))
    })
}

fn secret_problem(secret: &str, bounds: ValueBounds) -> Option<String> {
    // A secret without bounds may be any text.
    if secret == SHOWN && bounds != ValueBounds::ANY {
        return Some("none is set yet: give the secret itself".to_owned());
    }
    let ValueBounds { least, most } = bounds;
    let holds = bounds.has(secret.chars().count() as u64);
    (!holds).then(|| format!("must have from {least} to {most} characters"))
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

#[cfg(test)]
#[path = "kind_tests.rs"]
mod tests;
