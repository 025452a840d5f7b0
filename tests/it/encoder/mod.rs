//! The encoder against PostgreSQL itself, and the readers of its stream, given anything at all.
//!
//! For every way that a column can take: what the encoder lets pass PostgreSQL takes in, gives back byte for
//! byte, and reads as the value that it was. `CELLS` (a way; 400 unless told otherwise) and `CELLS_SEED`
//! (printed where one fails) are read from the environment. What the fuzzer has found worth keeping
//! (`fuzz/corpus/encoder`) is given to PostgreSQL too.

mod cells;

use crate::harness::Servers;
use amalgam::{
    domain::{Column, Mapping, SourceType, Table, WarehouseType, hexadecimal},
    source::Value,
    sync::fuzz::{self, Encoded},
};
use bytes::{Bytes, BytesMut};
use cells::Choices;
use chrono::NaiveDate;
use futures_util::{SinkExt, TryStreamExt};
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::pin::pin;
use tokio_postgres::Client;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_cells_are_too_odd_to_be_encoded(bytes in vec(any::<u8>(), 0..400)) {
        cells::encoder_holds(&bytes);
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_read(bytes in vec(any::<u8>(), 0..80), words in vec(-3i16..12, 0..40)) {
        cells::decoder_holds(&bytes);
        // Small numbers look more like rows.
        let words: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        cells::decoder_holds(&words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_gives_every_encoded_value_back_byte_for_byte() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse().expect("a number"));
    let seed: u64 = number("CELLS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let count = number("CELLS").unwrap_or(400);
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &key));
    let found = corpus();
    let bench = Servers::fresh("encoder").await;
    let (client, _connection) = bench.client().await;
    for table in cells::ways() {
        let mut values: Vec<Value> = Vec::new();
        for _ in 0..count {
            let bytes = vec(any::<u8>(), 0..90).new_tree(&mut runner).expect("bytes can be had").current();
            values.push(cells::cell(&table.columns[0], &mut Choices::new(&bytes)));
        }
        values.extend(found.iter().map(|bytes| cells::cell(&table.columns[0], &mut Choices::new(bytes))));
        let there_and_back = there_and_back(&client, &table, &values).await;
        there_and_back.unwrap_or_else(|why| panic!("CELLS_SEED={seed} {:?}: {why}", table.columns[0]));
    }
}

/// What the fuzzer keeps.
fn corpus() -> Vec<Vec<u8>> {
    let Ok(files) = std::fs::read_dir("fuzz/corpus/encoder") else { return Vec::new() };
    files.filter_map(|file| std::fs::read(file.ok()?.path()).ok()).collect()
}

/// Sends all values into a table, takes them out again, and asks PostgreSQL whether it read them as said.
async fn there_and_back(client: &Client, table: &Table, values: &[Value]) -> Result<(), String> {
    let column = &table.columns[0];
    let create = format!("drop table if exists t; create table t (c {}, said text, n serial)", column.warehouse());
    client.batch_execute(&create).await.map_err(told)?;
    let (mut rows, mut taken) = (BytesMut::new(), Vec::new());
    for value in values {
        let said = said(value, column).map_or(Value::NULL, |text| Value::Bytes(text.into_bytes()));
        if fuzz::encode(table, &[value.clone(), said], &mut rows) == Encoded::Appended {
            taken.push(value);
        }
    }
    if let Err(all) = copy_in(client, &rows).await {
        // All or nothing: look for the one.
        for value in taken {
            let mut row = BytesMut::new();
            fuzz::encode(table, &[value.clone(), Value::NULL], &mut row);
            copy_in(client, &row).await.map_err(|why| format!("{value:?} is refused: {why}"))?;
        }
        return Err(all);
    }
    let copied =
        client.copy_out("copy (select c, said from t order by n) to stdout (format binary)").await.map_err(told)?;
    let back: Vec<Bytes> = copied.try_collect().await.map_err(told)?;
    if back.concat() != fuzz::stream(&rows) {
        let sent = fuzz::read(&rows).expect("whole rows were written");
        let back: BytesMut = back.iter().flat_map(|b| b.iter().copied()).skip(HEADER_BYTES).collect();
        let back = fuzz::read(&back[..back.len() - TRAILER_BYTES]).ok_or("no whole rows come back")?;
        let differs = sent.iter().zip(&back).zip(&taken).find(|((sent, back), _)| sent != back);
        return Err(format!("it comes back otherwise: {differs:?}"));
    }
    let misread =
        format!("select said, c::text from t where said is not null and c is distinct from ({})", read_as(column));
    match client.query_opt(&format!("{misread} limit 1"), &[]).await.map_err(told)? {
        Some(row) => Err(format!("{:?} is read as {:?}", row.get::<_, String>(0), row.get::<_, Option<String>>(1))),
        None => Ok(()),
    }
}

const HEADER_BYTES: usize = 19;
const TRAILER_BYTES: usize = 2;

async fn copy_in(client: &Client, rows: &[u8]) -> Result<(), String> {
    let sink = client.copy_in("copy t (c, said) from stdin (format binary)").await.map_err(told)?;
    let mut sink = pin!(sink);
    sink.send(Bytes::from(fuzz::stream(rows))).await.map_err(told)?;
    sink.finish().await.map(|_| ()).map_err(told)
}

fn told(error: tokio_postgres::Error) -> String {
    format!("{error:?}")
}

/// The value as a text that PostgreSQL reads, where it has one.
fn said(value: &Value, column: &Column) -> Option<String> {
    use WarehouseType as W;
    match (value, column.warehouse()) {
        (Value::Int(n), _) => Some(n.to_string()),
        (Value::UInt(n), _) => Some(n.to_string()),
        (Value::Float(x), _) => Some(format!("{x:?}")),
        (Value::Double(x), _) => Some(format!("{x:?}")),
        (Value::Bytes(bytes), W::Bit { width }) => {
            let number = bytes.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
            Some(format!("{number:0>width$b}", width = usize::from(width)))
        }
        (Value::Bytes(bytes), W::Boolean) => Some(bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)).to_string()),
        (Value::Bytes(_), W::Bytea) if column.source_type == SourceType::Geometry && column.rule.mapping.is_none() => {
            None
        }
        (Value::Bytes(bytes), W::Bytea) => Some(format!("\\x{}", hexadecimal(bytes))),
        // Hyphens are passed over wherever they stand; PostgreSQL takes them in their places only.
        (Value::Bytes(bytes), W::Uuid) if bytes.len() != 36 => None,
        (Value::Bytes(bytes), _) => String::from_utf8(bytes.clone()).ok().filter(|text| !text.contains('\0')),
        (&Value::Date(y @ 1..=9999, m, d, h, mi, s, us), _) => {
            NaiveDate::from_ymd_opt(y.into(), m.into(), d.into())?;
            Some(format!("{y:04}-{m:02}-{d:02} {h:02}:{mi:02}:{s:02}.{us:06}"))
        }
        (&Value::Time(negative, d, h, m, s, us), _) => {
            let sign = if negative { "-" } else { "" };
            // More hours than an interval's text may have.
            (d < 1_000).then(|| format!("{sign}{}:{m:02}:{s:02}.{us:06}", d * 24 + u32::from(h)))
        }
        _ => None,
    }
}

/// How PostgreSQL reads that text.
fn read_as(column: &Column) -> String {
    match (column.warehouse(), column.rule.mapping) {
        (_, Some(Mapping::TimestampTz(zone))) => format!("said::timestamp at time zone '{zone}'"),
        (WarehouseType::TimestampTz, _) => "said::timestamp at time zone 'UTC'".to_owned(),
        (WarehouseType::Boolean, _) => "said::integer::boolean".to_owned(),
        (warehouse, _) => format!("said::{warehouse}"),
    }
}
