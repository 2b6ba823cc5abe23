//! JSON read into types, with errors in plain words.
//!
//! serde's own words are for programmers: “invalid type: map, expected u64”. They are chosen by the
//! deserializer's error, so this is a deserializer whose errors speak of numbers, texts and lists, and
//! name the place in the value where they were found.

use std::fmt;

use serde::Deserializer;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Number, Value};

use super::quantity::write_count;

/// Why a value is not what was to be read.
#[derive(Debug, PartialEq, Eq)]
pub struct DeserializeError {
    /// Where in the value, from the outside in: names of fields, “entry 2”.
    place: Vec<String>,
    words: String,
}

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place.join(", "))?;
        }
        f.write_str(&self.words)
    }
}

impl std::error::Error for DeserializeError {}

/// Reads a value.
///
/// # Errors
/// The first thing that does not fit, in a sentence.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, DeserializeError> {
    T::deserialize(ValueDeserializer(value))
}

impl DeserializeError {
    fn new(words: String) -> Self {
        let place = Vec::new();
        Self { place, words }
    }

    /// The same for who has named the outermost place already.
    #[must_use]
    pub fn without_first(mut self) -> Self {
        if !self.place.is_empty() {
            self.place.remove(0);
        }
        self
    }

    fn within(mut self, place: String) -> Self {
        self.place.insert(0, place);
        self
    }
}

impl de::Error for DeserializeError {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::new(words.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_value(found, wanted)
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let (wanted, found) = (in_words(wanted), met(found));
        Self::new(format!("must be {wanted}, not {found}"))
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        Self::new(format!(
            "must be {}, not {length} of them",
            in_words(wanted)
        ))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("“{variant}” is none of {}", known.join(", ")))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new(format!("“{field}” is unknown here"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("“{field}” is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("“{field}” stands twice"))
    }
}

/// What was wanted. serde names the types of numbers and structures as Rust does.
fn in_words(wanted: &dyn Expected) -> String {
    let up_to = |most: u64| format!("a whole number from 0 to {}", write_count(most));
    let wanted = wanted.to_string();
    match wanted.as_str() {
        "u8" => up_to(u8::MAX.into()),
        "u16" => up_to(u16::MAX.into()),
        "u32" => up_to(u32::MAX.into()),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text".to_owned(),
        "path string" => "a path".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other == "a map" || other.starts_with("struct ") => "an object".to_owned(),
        other if other.starts_with("enum ") => "a word".to_owned(),
        _ => wanted,
    }
}

/// What was met instead.
fn met(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => format!("“{text}”"),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        other => other.to_string(),
    }
}

/// A value on its way into a type.
struct ValueDeserializer(Value);

impl<'de> Deserializer<'de> for ValueDeserializer {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => read_number(&number, visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(ListItems {
                items: items.into_iter(),
                position: 0,
            }),
            Value::Object(fields) => visitor.visit_map(ObjectFields::of(fields)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        visitor.visit_newtype_struct(self)
    }

    /// An object without fields is written `{}`: nothing at all is not taken for it.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::Null => Err(de::Error::invalid_type(Unexpected::Unit, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Fields have names: a list of their values is not taken for them.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::Array(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(word.into_deserializer()),
            // A word is written as a word.
            Value::Object(fields) if fields.values().all(Value::is_null) => {
                Err(de::Error::invalid_type(Unexpected::Map, &visitor))
            }
            Value::Object(fields) => {
                visitor.visit_enum(MapAccessDeserializer::new(ObjectFields::of(fields)))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

fn read_number<'de, V: Visitor<'de>>(
    number: &Number,
    visitor: V,
) -> Result<V::Value, DeserializeError> {
    if let Some(whole) = number.as_u64() {
        visitor.visit_u64(whole)
    } else if let Some(whole) = number.as_i64() {
        visitor.visit_i64(whole)
    } else {
        visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// The items of a list.
struct ListItems {
    items: std::vec::IntoIter<Value>,
    position: usize,
}

impl<'de> SeqAccess<'de> for ListItems {
    type Error = DeserializeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeserializeError> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        self.position += 1;
        let read = seed.deserialize(ValueDeserializer(item));
        read.map(Some)
            .map_err(|error| error.within(format!("entry {}", self.position)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The fields of an object.
struct ObjectFields {
    fields: serde_json::map::IntoIter,
    value: Option<(String, Value)>,
}

impl ObjectFields {
    fn of(fields: Map<String, Value>) -> Self {
        Self {
            fields: fields.into_iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for ObjectFields {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        let Some((name, value)) = self.fields.next() else {
            return Ok(None);
        };
        self.value = Some((name.clone(), value));
        seed.deserialize(ValueDeserializer(Value::String(name)))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DeserializeError> {
        let (name, value) = self.value.take().unwrap_or_default();
        let read = seed.deserialize(ValueDeserializer(value));
        read.map_err(|error| error.within(name))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Way {
        Fast,
        Named(String),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        name: String,
        #[serde(default)]
        count: Option<u32>,
        #[serde(default)]
        ways: Vec<Way>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Whole {
        seconds: u64,
        share: f64,
        is_on: bool,
        entries: Vec<Entry>,
    }

    impl Default for Whole {
        fn default() -> Self {
            Self {
                seconds: 7,
                share: 0.5,
                is_on: true,
                entries: Vec::new(),
            }
        }
    }

    #[test]
    fn values_that_fit_are_read() {
        assert_eq!(read::<Whole>(json!({})), Ok(Whole::default()));
        let read: Result<Whole, DeserializeError> = read(json!({
            "seconds": 1, "share": 1, "is_on": false,
            "entries": [{"name": "a", "count": null}, {"name": "b", "count": 2, "ways": ["fast", {"named": "x"}]}],
        }));
        let entry = |name: &str, count, ways| Entry {
            name: name.into(),
            count,
            ways,
        };
        let expected = Whole {
            seconds: 1,
            share: 1.0,
            is_on: false,
            entries: vec![
                entry("a", None, vec![]),
                entry("b", Some(2), vec![Way::Fast, Way::Named("x".into())]),
            ],
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn only_an_object_is_taken_for_one() {
        assert_eq!(read(json!({})), Ok(Map::new()));
        for (value, found) in [
            (json!(null), "null"),
            (json!([]), "a list"),
            (json!(1), "1"),
            (json!("x"), "“x”"),
            (json!(true), "true"),
        ] {
            let map = read::<Map<String, Value>>(value.clone());
            let whole = read::<Whole>(value);
            let expected = format!("must be an object, not {found}");
            assert_eq!(map.expect_err("none").to_string(), expected);
            assert_eq!(whole.expect_err("none").to_string(), expected);
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        for (value, expected) in [
            (json!([1]), "must be an object, not a list"),
            (
                json!({"seconds": {}}),
                "seconds: must be a whole number that is not negative, not an object",
            ),
            (
                json!({"seconds": -1}),
                "seconds: must be a whole number that is not negative, not -1",
            ),
            (
                json!({"seconds": 1.5}),
                "seconds: must be a whole number that is not negative, not 1.5",
            ),
            (
                json!({"share": "much"}),
                "share: must be a number, not “much”",
            ),
            (
                json!({"is_on": null}),
                "is_on: must be true or false, not null",
            ),
            (
                json!({"entries": {}}),
                "entries: must be a list, not an object",
            ),
            (
                json!({"entries": [{"name": "a"}, {"name": 5}]}),
                "entries, entry 2, name: must be a text, not 5",
            ),
            (
                json!({"entries": [{}]}),
                "entries, entry 1: “name” is missing",
            ),
            (
                json!({"entries": [{"name": "a", "count": 5_000_000_000_u64}]}),
                "entries, entry 1, count: must be a whole number from 0 to 4,294,967,295, not 5000000000",
            ),
            (
                json!({"entries": [{"name": "a", "ways": ["scenic"]}]}),
                "entries, entry 1, ways, entry 1: “scenic” is none of fast, named",
            ),
            (
                json!({"entries": [{"name": "a", "ways": [{"fast": null}]}]}),
                "entries, entry 1, ways, entry 1: must be a word, not an object",
            ),
            (
                json!({"entries": [{"name": "a", "ways": [3]}]}),
                "entries, entry 1, ways, entry 1: must be a word, not 3",
            ),
            (json!({"weather": "rain"}), "“weather” is unknown here"),
        ] {
            let error = read::<Whole>(value.clone()).expect_err("it does not fit");
            assert_eq!(error.to_string(), expected, "{value}");
        }
    }
}
