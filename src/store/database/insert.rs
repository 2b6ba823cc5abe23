//! INSERTs of many rows, in few shapes: each statement costs two thread switches however many rows it
//! has, and a shape that was seen before costs no parsing.

use std::ops::Range;
use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use crate::limits;

/// A query as sqlx builds it.
pub(in crate::store) type InsertQuery<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// What happens to a row whose key is stored already. Either spares SQLite the copies of pages by which
/// it could undo one statement: a transaction with a failed statement is rolled back as a whole.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Twice {
    /// The statement fails.
    Fails,
    /// The row that is stored stays.
    Stays,
}

/// One INSERT in the shapes of 1, 2, 4 … [`limits::INSERT_ROWS`] rows.
#[derive(Debug)]
pub(in crate::store) struct Insert {
    shapes: Vec<Arc<str>>,
}

impl Insert {
    /// An INSERT into `table` with these columns, as they stand in it.
    pub(in crate::store) fn new(table: &str, columns: &str, twice: Twice) -> Self {
        let otherwise = match twice {
            Twice::Fails => "FAIL",
            Twice::Stays => "IGNORE",
        };
        let marks = vec!["?"; columns.split(',').count()].join(", ");
        let marks = format!("({marks})");
        let shape = |rows: usize| -> Arc<str> {
            let values = vec![marks.as_str(); rows].join(", ");
            format!("INSERT OR {otherwise} INTO {table} ({columns}) VALUES {values}").into()
        };
        let sizes = (0..=limits::INSERT_ROWS.ilog2()).map(|exponent| 1 << exponent);
        Self {
            shapes: sizes.map(shape).collect(),
        }
    }

    /// Inserts all of `rows`; `bind` binds the columns of one in their order.
    pub(in crate::store) async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: impl for<'q> Fn(InsertQuery<'q>, &T) -> InsertQuery<'q>,
    ) -> Result<(), sqlx::Error> {
        for piece in pieces(rows.len()) {
            let shape = &self.shapes[piece.len().ilog2() as usize];
            // Only our own names of tables and columns stand in it.
            let query = sqlx::query(AssertSqlSafe(Arc::clone(shape)));
            let query = rows[piece].iter().fold(query, &bind);
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// `count` rows as pieces whose sizes are powers of two, the large ones first.
fn pieces(count: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = count - start;
        let size = 1 << rest.min(limits::INSERT_ROWS).checked_ilog2()?;
        start += size;
        Some(start - size..start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_row_once() {
        for count in [0, 1, 2, 3, 20, 63, 64, 65, 127, 512, 1_000] {
            let covered: Vec<usize> = pieces(count).flatten().collect();
            assert_eq!(covered, (0..count).collect::<Vec<_>>());
            assert!(pieces(count).all(|piece| piece.len().is_power_of_two()));
        }
        let sizes: Vec<usize> = pieces(150).map(|piece| piece.len()).collect();
        assert_eq!(sizes, [64, 64, 16, 4, 2]);
    }
}
