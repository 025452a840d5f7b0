//! A source of a practice's full shape: 446 tables, every row, every value.

use crate::harness::{Bench, Servers};
use std::{path::Path, process::Output};

/// Makes the source with `tests/opendental/make_source.py`.
async fn make_source(bench: &Bench, scale: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opendental/make_source.py");
    let made = tokio::process::Command::new("python3")
        .arg(script)
        .args(["--socket", &bench.source_socket().display().to_string(), "--database", bench.database()])
        .args(["--scale", scale])
        .output()
        .await
        .expect("python3 is installed by scripts/prerequisites");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

async fn amalgam(bench: &Bench, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = bench.amalgam().args(arguments).output().await.expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "amalgam {arguments:?} failed:\n{out}\n{err}");
    out
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_446_tables_arrive_and_stay_equal() {
    let bench = Servers::fresh("full_size").await;
    make_source(&bench, "0.05").await;

    let loaded = amalgam(&bench, &["sync"]).await;
    assert!(last_line(&loaded).starts_with("446 tables: 446 read, 0 unchanged"), "{}", last_line(&loaded));
    let verified = amalgam(&bench, &["verify"]).await;
    assert!(last_line(&verified).starts_with("446 tables, "), "{}", last_line(&verified));
    assert!(last_line(&verified).ends_with("every value equal"), "{}", last_line(&verified));

    assert_sums_agree(&bench).await;

    let again = amalgam(&bench, &["sync"]).await;
    assert!(
        last_line(&again).starts_with("446 tables: 0 read, 446 unchanged and not read; 0 rows read"),
        "{}",
        last_line(&again)
    );

    bench
        .source(
            "set sql_mode = '';
             insert into payment (PayType, PayDate, PayAmt) select 1, '2024-05-05', seq from seq_1_to_50;
             update paysplit set SplitAmt = SplitAmt + 1 where SplitNum % 1000 = 3;
             update sheetfield set FieldName = 'edited' where SheetFieldNum % 5000 = 9;
             update provider set Abbr = 'new' where ProvNum = 2;
             delete from procedurelog where ProcNum % 3000 = 11;
             delete from securitylog where SecurityLogNum % 7000 = 5;
             update appointment set DateTStamp = DateTStamp, Note = 'silent' where AptNum % 900 = 1;",
        )
        .await;
    amalgam(&bench, &["sync", "--reconcile"]).await;
    let verified = amalgam(&bench, &["verify"]).await;
    assert!(last_line(&verified).ends_with("every value equal"), "{}", last_line(&verified));
    assert_sums_agree(&bench).await;
}

/// What both servers say of a column's values when each is asked in its own words: a second opinion
/// beside `verify`, which sees both sides through one encoding.
async fn assert_sums_agree(bench: &Bench) {
    for table in
        ["patient", "procedurelog", "payment", "paysplit", "sheetfield", "appointment", "claimproc", "securitylog"]
    {
        let columns = "select column_name, data_type from information_schema.columns where table_schema = database() and table_name = ";
        let columns = bench.source_texts(&format!("{columns}'{table}' order by ordinal_position")).await;
        let (mut here, mut there) = (vec!["count(*)".to_owned()], vec!["count(*)".to_owned()]);
        for column in columns {
            let [Some(name), Some(of)] = &column[..] else { panic!("every column has a name and a type") };
            let (source, warehouse) = match of.as_str() {
                "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
                    (format!("sum(`{name}`)"), format!("sum(\"{name}\")"))
                }
                "double" | "float" => {
                    (format!("cast(max(`{name}`) as decimal(30,4))"), format!("max(\"{name}\")::float8::numeric(30,4)"))
                }
                "date" | "datetime" | "timestamp" => (
                    format!("date_format(max(`{name}`), '%Y-%m-%d %H:%i:%s')"),
                    format!("to_char(max(\"{name}\") at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')")
                        .replace(" at time zone 'UTC'", if of == "timestamp" { " at time zone 'UTC'" } else { "" }),
                ),
                "char" | "varchar" | "text" | "mediumtext" | "longtext" => {
                    (format!("sum(char_length(`{name}`))"), format!("sum(char_length(\"{name}\"))"))
                }
                _ => continue,
            };
            here.push(format!("concat('{name} ', coalesce({source}, '-'))"));
            there.push(format!("'{name} ' || coalesce(({warehouse})::text, '-')"));
        }
        let source = bench.source_texts(&format!("select {} from `{table}`", here.join(", "))).await;
        let warehouse = bench.texts(&format!("select {} from raw.\"{table}\"", there.join(", "))).await;
        assert_eq!(source, warehouse, "{table}");
        assert!(source[0].len() > 3, "{table} has columns to compare");
    }
}
