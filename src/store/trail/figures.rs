//! The figures of each minute and of each hour, counted since 1970.

use std::ops::RangeInclusive;

use sqlx::sqlite::SqliteRow;

use super::TrailStore;
use crate::store::database::columns::{count, integer, text};
use crate::store::database::error::{HistoryError, ReadError};

impl TrailStore {
    /// Writes the figures of one minute, counted since 1970, over what was written for it before.
    ///
    /// # Errors
    /// When they were not written.
    pub async fn save_minute(&self, minute: u64, figures: String) -> Result<(), HistoryError> {
        let saved = self.history.transaction(async |writer| {
            sqlx::query(
                "INSERT INTO minutes (minute, figures) VALUES (?, ?)
                 ON CONFLICT (minute) DO UPDATE SET figures = excluded.figures",
            )
            .bind(integer(minute))
            .bind(figures)
            .execute(&mut writer.connection)
            .await
        });
        saved.await?;
        Ok(())
    }

    /// Writes the figures of one hour, counted since 1970, over what was written for it before.
    ///
    /// # Errors
    /// When they were not written.
    pub async fn save_hour(&self, hour: u64, figures: String) -> Result<(), HistoryError> {
        let saved = self.history.transaction(async |writer| {
            sqlx::query(
                "INSERT INTO hours (hour, figures) VALUES (?, ?)
                 ON CONFLICT (hour) DO UPDATE SET figures = excluded.figures",
            )
            .bind(integer(hour))
            .bind(figures)
            .execute(&mut writer.connection)
            .await
        });
        saved.await?;
        Ok(())
    }

    /// The figures of these minutes, counted since 1970, in order; a minute without figures is left out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load_minutes(
        &self,
        minutes: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, String)>, ReadError> {
        let rows = sqlx::query(
            "SELECT minute, figures FROM minutes WHERE minute BETWEEN ? AND ? ORDER BY minute",
        )
        .bind(integer(*minutes.start()))
        .bind(integer(*minutes.end()))
        .fetch_all(&self.history.readers)
        .await?;
        let pair = |row: &SqliteRow| (count(row, "minute"), text(row, "figures"));
        Ok(rows.iter().map(pair).collect())
    }

    /// The figures of these hours, counted since 1970, in order; an hour without figures is left out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load_hours(
        &self,
        hours: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, String)>, ReadError> {
        let rows =
            sqlx::query("SELECT hour, figures FROM hours WHERE hour BETWEEN ? AND ? ORDER BY hour")
                .bind(integer(*hours.start()))
                .bind(integer(*hours.end()))
                .fetch_all(&self.history.readers)
                .await?;
        let pair = |row: &SqliteRow| (count(row, "hour"), text(row, "figures"));
        Ok(rows.iter().map(pair).collect())
    }
}
