//! The figures of each minute and of each hour, counted since 1970.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteRow;

use super::TrailStore;
use crate::store::database::columns::{count, integer, text};
use crate::store::database::error::{HistoryError, ReadError};

/// What figures are of. Its number is counted since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Period {
    /// What it is called. It is the figures' column; with an s it is their table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    /// Its length.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

impl TrailStore {
    /// Writes the figures of a period over what was written for it before.
    ///
    /// # Errors
    /// When they were not written.
    pub async fn save_figures(
        &self,
        period: Period,
        number: u64,
        figures: String,
    ) -> Result<(), HistoryError> {
        let column = period.word();
        let sql = format!(
            "INSERT INTO {column}s ({column}, figures) VALUES (?, ?)
             ON CONFLICT ({column}) DO UPDATE SET figures = excluded.figures"
        );
        let saved = self.transaction(async |writer| {
            sqlx::query(AssertSqlSafe(sql))
                .bind(integer(number))
                .bind(figures)
                .execute(&mut writer.connection)
                .await
        });
        saved.await?;
        Ok(())
    }

    /// The figures of these periods in order; one without figures is left out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load_figures(
        &self,
        period: Period,
        numbers: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, String)>, ReadError> {
        let column = period.word();
        let sql = format!(
            "SELECT {column}, figures FROM {column}s WHERE {column} BETWEEN ? AND ? ORDER BY {column}"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(integer(*numbers.start()))
            .bind(integer(*numbers.end()))
            .fetch_all(&self.readers)
            .await?;
        let pair = |row: &SqliteRow| (count(row, column), text(row, "figures"));
        Ok(rows.iter().map(pair).collect())
    }

    /// Removes the figures of periods that began before.
    pub(super) async fn prune_figures(
        &self,
        period: Period,
        before: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let column = period.word();
        let sql = format!("DELETE FROM {column}s WHERE {column} < ?");
        self.transaction(async |writer| {
            sqlx::query(AssertSqlSafe(sql))
                .bind(
                    before
                        .as_second()
                        .div_euclid(period.seconds().cast_signed()),
                )
                .execute(&mut writer.connection)
                .await
        })
        .await?;
        Ok(())
    }
}
