//! Points that a spam scanner gives a message, exact to the hundredth.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Points; a number in JSON. Binary fractions are not what people write, so hundredths are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score {
    hundredths: i32,
}

const SHAPE: &str = "a score is a number with at most two decimals, like 7.5";

impl Score {
    /// The greatest score that decides anything. The least is just above 0: a message in which a scanner finds
    /// nothing has about 0, so that a lower score would be for all mail.
    pub const MOST: u16 = 1_000;

    /// So many whole points.
    #[must_use]
    pub const fn whole(points: i16) -> Self {
        Self {
            hundredths: points as i32 * 100,
        }
    }

    /// The score that is nearest to what a scanner says; none for what is no number.
    #[must_use]
    pub fn nearest(points: f64) -> Option<Self> {
        points.is_finite().then(|| Self {
            // Beyond all scores there are, the conversion stays at the last one.
            hundredths: (points * 100.0).round() as i32,
        })
    }

    /// The score that a number is, as it was written.
    fn exact(points: f64) -> Result<Self, String> {
        let score = Self::nearest(points).ok_or(SHAPE)?;
        // What is left is the binary fraction's own error.
        if (score.points() - points).abs() > 1e-6 {
            return Err(SHAPE.to_owned());
        }
        Ok(score)
    }

    fn points(self) -> f64 {
        f64::from(self.hundredths) / 100.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.hundredths < 0 { "-" } else { "" };
        let hundredths = self.hundredths.unsigned_abs();
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        match rest % 10 {
            0 => write!(f, "{sign}{whole}.{}", rest / 10),
            _ => write!(f, "{sign}{whole}.{rest:02}"),
        }
    }
}

impl FromStr for Score {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
        match text.parse() {
            Ok(points) if is_plain => Self::exact(points),
            _ => Err(SHAPE.to_owned()),
        }
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.points())
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let points = f64::deserialize(deserializer)?;
        Self::exact(points).map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Score {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some("Points, with at most two decimals"))
            .examples([7.5])
            .into()
    }
}

impl ToSchema for Score {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn scores_are_written_as_people_write_them() {
        for (text, written) in [
            ("7.2", "7.2"),
            ("15", "15.0"),
            ("15.0", "15.0"),
            ("0", "0.0"),
            ("-0.05", "-0.05"),
            ("4.20", "4.2"),
            ("0.07", "0.07"),
            ("1000.25", "1000.25"),
        ] {
            let score: Score = text.parse().expect(text);
            assert_eq!(score.to_string(), written);
        }
        for text in [
            "", "7,2", "7.123", "1e3", "inf", "NaN", "--1", "7.2.1", "9 ",
        ] {
            assert!(text.parse::<Score>().is_err(), "{text}");
        }
    }

    #[test]
    fn scores_are_numbers_in_json() {
        let score: Score = serde_json::from_value(json!(7)).expect("a score");
        assert_eq!(score, Score::whole(7));
        assert_eq!(json!(score), json!(7.0));
        for wrong in [json!(7.001), json!("7"), json!(null), json!(1e300)] {
            assert!(serde_json::from_value::<Score>(wrong).is_err());
        }
    }

    #[test]
    fn what_a_scanner_says_is_rounded() {
        assert_eq!(Score::nearest(7.199_999_999), "7.2".parse().ok());
        assert_eq!(Score::nearest(f64::NAN), None);
        assert!(Score::nearest(1e300) > Some(Score::whole(i16::MAX)));
    }

    proptest! {
        #[test]
        fn a_score_survives_its_text_and_its_number(hundredths in any::<i32>()) {
            let score = Score { hundredths };
            prop_assert_eq!(score.to_string().parse(), Ok(score));
            let number = serde_json::to_string(&score).expect("a number");
            prop_assert_eq!(serde_json::from_str::<Score>(&number).expect("a score"), score);
        }
    }
}
