//! `amalgam discover`: what it says of a table of each sort.

use crate::harness::Servers;

#[tokio::test(flavor = "multi_thread")]
async fn discover_says_how_each_table_is_kept_in_step_and_why() {
    let bench = Servers::fresh("discover").await;
    // MyISAM counts its rows exactly; rows of one length have one size.
    bench
        .source(
            "create table definition (DefNum bigint primary key, ItemOrder int) engine=MyISAM;
             insert into definition values (1, 1), (2, 2);
             create table payment (PayNum bigint primary key auto_increment, PayAmt double, SecDateTEdit timestamp
                default current_timestamp on update current_timestamp) engine=MyISAM;
             insert into payment (PayAmt) select seq from seq_1_to_10001;
             create table securitylog (SecurityLogNum bigint primary key auto_increment, UserNum bigint) engine=MyISAM;
             insert into securitylog (UserNum) select 1 from seq_1_to_10001;
             create table keyless (a int, b int) engine=MyISAM;
             create table history (HistoryNum bigint primary key, Amount double) engine=MyISAM;
             insert into history select seq, seq from seq_1_to_10001;",
        )
        .await;
    let output = bench.amalgam().arg("discover").output().await.expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r"
    table        engine  consistency  rows   data bytes  columns  key             mode     reason
    definition   MyISAM  range            2          26        2  DefNum          replace  small (2 rows), so all of it is compared
    history      MyISAM  range        10001      170017        2  HistoryNum      replace  no stamp tells its edits, so all of it is compared
    keyless      MyISAM  range            0           0        2                  replace  no primary key of integers, so rows are compared as a whole
    payment      MyISAM  range        10001      210021        3  PayNum          merge    the server stamps every edit in SecDateTEdit
    securitylog  MyISAM  range        10001      170017        2  SecurityLogNum  append   a log by its name, with an increasing key and no stamp
    ");
    let output = bench.amalgam().args(["discover", "--filled", "--format", "json"]).output().await.expect("it ends");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["table"].as_str()).collect();
    assert_eq!(names, ["definition", "history", "payment", "securitylog"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn discover_and_plan_say_which_rule_decided_a_columns_type() {
    let bench = Servers::fresh("discover_rules").await;
    bench.source("create table t (k int primary key, IsHidden tinyint(1), word text) engine=MyISAM").await;
    let rules = "[[sync.types]]\ncolumns = \"*.Is*\"\ndeclared = \"tinyint(1)\"\nas = \"boolean\"\n";
    let said = async |arguments: &[&str]| {
        let output = bench.amalgam_with(rules).args(arguments).output().await.expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    insta::assert_snapshot!(said(&["discover"]).await, @r"
    table  engine  consistency  rows  data bytes  columns  key  mode     reason
    t      MyISAM  range           0           0        3  k    replace  small (0 rows), so all of it is compared

    table  column    declared    becomes  rule
    t      IsHidden  tinyint(1)  boolean  *.Is* (tinyint(1))
    ");
    let planned = said(&["plan"]).await;
    assert!(planned.lines().any(|line| line.starts_with("t ") && line.ends_with("*.Is* (tinyint(1))")), "{planned}");
    let rows: serde_json::Value = serde_json::from_str(&said(&["discover", "--format", "json"]).await).expect("JSON");
    assert_eq!(rows[0]["types"][0]["becomes"], "boolean");
}
