//! Discovery: all tables in a handful of queries.

use super::{Source, expression::converts_in_part};
use crate::{
    domain::{Catalog, Column, Engine, Fingerprint, Table, TableName},
    error::{Error, Kind, Result},
};
use chrono::{DateTime, Utc};
use mysql_async::{Conn, Params, Row, prelude::Queryable};
use std::collections::BTreeMap;

/// A write in the last so many seconds may be followed by another with the same time.
const SAME_SECOND_GUARD_SECONDS: i64 = 2;

const NAMES: &str = include_str!("queries/table_names.sql");
const TABLES: &str = include_str!("queries/tables.sql");
const COLUMNS: &str = include_str!("queries/columns.sql");
const INDEXES: &str = include_str!("queries/indexes.sql");

impl Source {
    /// What the source holds now: all base tables, or those of `only` that are there, if `chosen`.
    ///
    /// # Errors
    /// What a connection or query can meet.
    pub async fn describe(&self, only: Option<&[TableName]>, chosen: impl Fn(&str) -> bool) -> Result<Catalog> {
        let mut connection = self.connection().await?;
        let taken_at = self.time(&mut connection).await?;
        // After the time was taken: what ends between the two can be seen by whoever reads then.
        let oldest = self.oldest_writer(&mut connection, taken_at).await?;
        let settled_at = oldest.map_or(taken_at, |age| taken_at - age);
        let tables = self.tables(&mut connection, only, chosen).await?;
        Ok(Catalog { taken_at, settled_at, tables })
    }

    /// What changes with every write to a table, for all that are `chosen`: one cheap question. A table whose last
    /// write is too young to be told from the next changes once more when it is not.
    ///
    /// # Errors
    /// What a connection or query can meet.
    pub async fn write_marks(&self, chosen: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>> {
        let mut connection = self.connection().await?;
        let mut marks = Vec::new();
        for row in self.ask(&mut connection, TABLES, None, "listing tables").await? {
            let name: String = get(&row, 0)?;
            if chosen(&name) {
                let settled = fingerprint(&row, &engine(&row)?, rows(&row)?, data_bytes(&row)?)?;
                let mark = match settled {
                    Some(Fingerprint(mark)) => mark,
                    None => format!("{:?}", get::<Option<i64>>(&row, 8)?),
                };
                marks.push((name, mark));
            }
        }
        Ok(marks)
    }

    /// The names of all base tables.
    ///
    /// # Errors
    /// What a connection or query can meet.
    pub async fn table_names(&self) -> Result<Vec<String>> {
        let mut connection = self.connection().await?;
        let (id, asked) = (connection.id(), connection.exec(NAMES, (self.database.as_str(),)));
        self.answered(id, asked, "listing tables").await
    }

    /// The tables alone, without the server's times.
    pub(super) async fn tables(
        &self,
        connection: &mut Conn,
        only: Option<&[TableName]>,
        chosen: impl Fn(&str) -> bool,
    ) -> Result<Vec<Table>> {
        let rows = self.ask(connection, TABLES, only, "listing tables").await?;
        let mut columns = grouped(self.ask(connection, COLUMNS, only, "listing columns").await?, Ok)?;
        let mut indexes = grouped(self.ask(connection, INDEXES, only, "listing indexes").await?, |r| index(&r))?;
        let mut tables = Vec::with_capacity(rows.len());
        for row in rows {
            let name: String = get(&row, 0)?;
            if !chosen(&name) {
                continue;
            }
            let columns = columns.remove(&name).unwrap_or_default().iter().map(column).collect::<Result<Vec<_>>>()?;
            let indexes = indexes.remove(&name).unwrap_or_default();
            tables.push(table(&row, name, columns, &indexes)?);
        }
        Ok(tables)
    }

    /// The server's clock.
    pub(super) async fn time(&self, connection: &mut Conn) -> Result<DateTime<Utc>> {
        let id = connection.id();
        let asked = connection.query_first("select cast(unix_timestamp(now(6)) * 1000000 as signed)");
        let micros: i64 = self
            .answered(id, asked, "asking the source for the time")
            .await?
            .ok_or_else(|| Error::new(Kind::Internal, "the source has no time"))?;
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| Error::new(Kind::Internal, "the source's time is out of range"))
    }

    async fn ask(&self, connection: &mut Conn, sql: &str, only: Option<&[TableName]>, doing: &str) -> Result<Vec<Row>> {
        let mut parameters = vec![self.database.clone()];
        let filter = match only {
            None => String::new(),
            Some(names) => {
                parameters.extend(names.iter().map(|n| n.as_str().to_owned()));
                format!("and t.table_name in ({})", vec!["?"; names.len().max(1)].join(","))
            }
        };
        if only.is_some_and(<[_]>::is_empty) {
            return Ok(Vec::new());
        }
        let id = connection.id();
        let asked = connection.exec(sql.replace("/*only*/", &filter), Params::from(parameters));
        self.answered(id, asked, doing).await
    }
}

/// The position in an index, its name, and the column.
struct IndexColumn {
    primary: bool,
    position: u64,
    /// `None`: MySQL has an expression in its place.
    column: Option<String>,
}

fn grouped<T>(rows: Vec<Row>, read: impl Fn(Row) -> Result<T>) -> Result<BTreeMap<String, Vec<T>>> {
    let mut groups: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for row in rows {
        groups.entry(get(&row, 0)?).or_default().push(read(row)?);
    }
    Ok(groups)
}

fn column(row: &Row) -> Result<Column> {
    let (name, declared): (String, String) = (get(row, 1)?, get(row, 2)?);
    let extra = get::<String>(row, 4)?.to_ascii_lowercase();
    let default = get::<Option<String>>(row, 5)?.unwrap_or_default().to_ascii_lowercase();
    Ok(Column {
        nullable: get::<String>(row, 3)? == "YES",
        stamps_edits: extra.contains("on update") && default.contains("current_timestamp"),
        auto_increment: extra.contains("auto_increment"),
        converts_in_part: get::<Option<String>>(row, 6)?.is_some_and(|set| converts_in_part(&set)),
        ..Column::new(name, declared)
    })
}

fn index(row: &Row) -> Result<IndexColumn> {
    Ok(IndexColumn { primary: get::<String>(row, 1)? == "PRIMARY", position: get(row, 2)?, column: get(row, 3)? })
}

fn table(row: &Row, name: String, columns: Vec<Column>, indexes: &[IndexColumn]) -> Result<Table> {
    let place = |column: &Option<String>| columns.iter().position(|c| Some(&c.name) == column.as_ref());
    let mut key: Vec<(u64, usize)> =
        indexes.iter().filter(|i| i.primary).filter_map(|i| place(&i.column).map(|at| (i.position, at))).collect();
    key.sort_unstable();
    let (engine, rows, data_bytes) = (engine(row)?, rows(row)?, data_bytes(row)?);
    let fingerprint = fingerprint(row, &engine, rows, data_bytes)?;
    Ok(Table {
        name: TableName::new(name),
        engine,
        key: key.into_iter().map(|(_, at)| at).collect(),
        columns,
        rows,
        data_bytes,
        fingerprint,
        made_at: get(row, 7)?,
    })
}

fn engine(row: &Row) -> Result<Engine> {
    Ok(match get::<Option<String>>(row, 1)?.unwrap_or_default().as_str() {
        "MyISAM" => Engine::MyIsam,
        "InnoDB" => Engine::InnoDb,
        other => Engine::Other(other.to_owned()),
    })
}

fn rows(row: &Row) -> Result<u64> {
    Ok(get::<Option<u64>>(row, 2)?.unwrap_or(0))
}

fn data_bytes(row: &Row) -> Result<u64> {
    Ok(get::<Option<u64>>(row, 3)?.unwrap_or(0))
}

/// What changes whenever the table does. An empty MyISAM table is equal to any other empty one; else the
/// time of the last write decides, and only when it lies far enough back that no second write can share it.
fn fingerprint(row: &Row, engine: &Engine, rows: u64, data_bytes: u64) -> Result<Option<Fingerprint>> {
    let [index_bytes, free_bytes, auto_increment, created, updated] =
        [4, 5, 6, 7, 8].map(|at| get::<Option<i64>>(row, at));
    let (updated, seconds_ago) = (updated?, get::<Option<i64>>(row, 9)?);
    if *engine == Engine::MyIsam && rows == 0 && data_bytes == 0 {
        return Ok(Some(Fingerprint::empty_table()));
    }
    // What other engines say of their last write is not known to be true, and partitions are exchanged
    // without a word.
    let settled = matches!(engine, Engine::MyIsam | Engine::InnoDb)
        && !get::<bool>(row, 10)?
        && seconds_ago.is_some_and(|s| s >= SAME_SECOND_GUARD_SECONDS);
    let parts = [index_bytes?, free_bytes?, auto_increment?, created?, updated];
    Ok(settled.then(|| {
        let tail: Vec<String> = parts.iter().map(|p| p.map_or("-".to_owned(), |n| n.to_string())).collect();
        Fingerprint(format!("{engine}:{rows}:{data_bytes}:{}", tail.join(":")))
    }))
}

fn get<T: mysql_async::prelude::FromValue>(row: &Row, at: usize) -> Result<T> {
    row.get_opt(at).and_then(Result::ok).ok_or_else(|| {
        Error::new(Kind::Internal, format!("information_schema answered with another type in column {at}"))
    })
}
