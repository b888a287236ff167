//! The rows of a query, as values of a table.

use couplet_api::Result;
use couplet_api::data::Value;
use couplet_mysql_wire::Rows;

use crate::schema::{Row, TableSchema};
use crate::server::{Server, quoted};

/// A query of a table on its way.
pub(super) struct Reading<'a> {
    rows: Rows<'a>,
    plan: &'a TableSchema,
    /// The column of the table that each column of the query is; `None`: of no interest.
    positions: Vec<Option<usize>>,
}

impl<'a> Reading<'a> {
    /// Runs `query` in the table's database.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn begin(server: &'a mut Server, plan: &'a TableSchema, query: &str) -> Result<Self> {
        // A statement of the user's own may name tables without their database.
        server.sql().run(&format!("USE {}", quoted(&plan.id.schema))).await?;
        let rows = server.sql().query(query).await?;
        let position = |name: &String| plan.read_columns().find(|(_, column)| column == name).map(|(i, _)| i);
        let positions = rows.columns.iter().map(position).collect();
        Ok(Reading { rows, plan, positions })
    }

    /// The next row and about how many bytes it takes.
    ///
    /// # Errors
    /// When the connection breaks or a value cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<(Row, usize)>> {
        let Some(row) = self.rows.next().await? else { return Ok(None) };
        let mut values = vec![Value::Null; self.plan.width()];
        let mut bytes = 0;
        for (text, position) in row.values().iter().zip(&self.positions) {
            if let Some(position) = position {
                bytes += text.as_ref().map_or(0, |text| text.len());
                values[*position] = self.plan.snapshot_value(*position, text.as_ref())?;
            }
        }
        Ok(Some((values, bytes)))
    }
}
