//! Claims, payments and adjustments: all in cents, so that everything adds up.
//!
//! Guarantee: the splits of a payment sum to its amount; what the insurance pays and what is written
//! off never exceed the fee.

use super::{
    codes::CODES,
    desk::Desk,
    office::{self, Category},
    people::Patient,
    rows::Cell,
    work::Charted,
};
use chrono::{Days, NaiveDate, NaiveTime};

/// What a patient is to pay for a procedure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) patient: i64,
    /// Zero for money that was paid ahead.
    pub(super) procedure: i64,
    pub(super) provider: i64,
    pub(super) clinic: i64,
    pub(super) cents: i64,
}

/// Sends the claim for what was done on a day, if the patient is insured, and enters the answer
/// where it has come. Says what is left for the patient.
pub(super) fn bill(
    desk: &mut Desk,
    patient: &Patient,
    day: NaiveDate,
    done: &[Charted],
    settled: Option<NaiveDate>,
) -> Vec<Due> {
    let shares: Vec<_> = done.iter().map(|charted| share(desk, patient, charted, settled.is_some())).collect();
    if patient.insured.is_some() && done.iter().any(|charted| charted.fee > 0) {
        claim(desk, patient, day, done, &shares, settled);
    }
    done.iter()
        .zip(&shares)
        .map(|(charted, share)| Due {
            patient: patient.number,
            procedure: charted.number,
            provider: charted.provider,
            clinic: patient.clinic,
            cents: charted.fee - share.write_off - share.pays,
        })
        .filter(|due| due.cents > 0)
        .collect()
}

/// How a fee is shared, in cents.
struct Share {
    write_off: i64,
    /// As the plan promises.
    estimate: i64,
    /// As it came; before that, as promised.
    pays: i64,
}

fn share(desk: &mut Desk, patient: &Patient, charted: &Charted, settled: bool) -> Share {
    let Some(insured) = patient.insured else { return Share { write_off: 0, estimate: 0, pays: 0 } };
    let allowed = office::allowed(insured.plan, charted.fee);
    let estimate = allowed * CODES[charted.code].kind.insured_percent() / 100;
    // Now and then it is refused, and the patient owes it all.
    let pays = if settled && desk.random.chance(4) { 0 } else { estimate };
    Share { write_off: charted.fee - allowed, estimate, pays }
}

fn claim(
    desk: &mut Desk,
    patient: &Patient,
    day: NaiveDate,
    done: &[Charted],
    shares: &[Share],
    settled: Option<NaiveDate>,
) {
    let insured = patient.insured.expect("only an insured patient's procedures are claimed");
    let sum = |of: fn(&Share) -> i64| Cell::Cents(shares.iter().map(of).sum());
    let never = NaiveDate::from_ymd_opt(1, 1, 1).expect("a day of the calendar");
    let zero = Cell::Cents(0);
    let edited = settled.unwrap_or(day).and_time(NaiveTime::MIN).min(desk.now);
    let fields = [
        ("PatNum", Cell::from(patient.number)),
        ("DateService", day.into()),
        ("DateSent", (day + Days::new(1)).min(desk.now.date()).into()),
        ("ClaimStatus", if settled.is_some() { "R" } else { "S" }.into()),
        ("DateReceived", settled.unwrap_or(never).into()),
        ("PlanNum", insured.plan.into()),
        ("ProvTreat", patient.dentist.into()),
        ("ProvBill", 1.into()),
        ("ClaimFee", Cell::Cents(done.iter().map(|charted| charted.fee).sum())),
        ("InsPayEst", sum(|share| share.estimate)),
        ("InsPayAmt", if settled.is_some() { sum(|share| share.pays) } else { zero.clone() }),
        ("WriteOff", if settled.is_some() { sum(|share| share.write_off) } else { zero.clone() }),
        ("ClaimType", "P".into()),
        ("ClinicNum", patient.clinic.into()),
        ("InsSubNum", insured.subscription.into()),
        ("SecUserNumEntry", desk.user().into()),
        ("SecDateEntry", day.into()),
        ("SecDateTEdit", edited.into()),
    ];
    let claim = desk.rows.add("claim", "ClaimNum", &fields);
    let check = settled.map(|received| {
        let amount = shares.iter().map(|share| share.pays).sum();
        cheque(desk, patient.clinic, insured.plan, received, amount)
    });
    for (line, (charted, share)) in done.iter().zip(shares).enumerate() {
        let fields = [
            ("ProcNum", Cell::from(charted.number)),
            ("ClaimNum", claim.into()),
            ("PatNum", patient.number.into()),
            ("ProvNum", charted.provider.into()),
            ("FeeBilled", Cell::Cents(charted.fee)),
            ("InsPayEst", Cell::Cents(share.estimate)),
            ("Status", i64::from(settled.is_some()).into()),
            ("InsPayAmt", if settled.is_some() { Cell::Cents(share.pays) } else { zero.clone() }),
            ("WriteOff", if settled.is_some() { Cell::Cents(share.write_off) } else { zero.clone() }),
            ("WriteOffEst", Cell::Cents(share.write_off)),
            ("BaseEst", Cell::Cents(share.estimate)),
            ("InsEstTotal", Cell::Cents(share.estimate)),
            ("Percentage", CODES[charted.code].kind.insured_percent().into()),
            // OpenDental's "no value" of an amount.
            ("AllowedOverride", Cell::Cents(-100)),
            ("CopayAmt", Cell::Cents(-100)),
            ("ClaimPaymentNum", check.unwrap_or(0).into()),
            ("PlanNum", insured.plan.into()),
            ("InsSubNum", insured.subscription.into()),
            ("DateCP", settled.unwrap_or(day).into()),
            ("ProcDate", day.into()),
            ("DateEntry", settled.unwrap_or(never).into()),
            ("CodeSent", CODES[charted.code].code.into()),
            ("LineNumber", office::key_of(line).into()),
            ("ClinicNum", patient.clinic.into()),
            ("SecDateEntry", day.into()),
            ("SecDateTEdit", edited.into()),
        ];
        desk.rows.add("claimproc", "ClaimProcNum", &fields);
    }
}

/// Enters the insurance's cheque; says its key.
pub(super) fn cheque(desk: &mut Desk, clinic: i64, plan: i64, day: NaiveDate, cents: i64) -> i64 {
    let fields = [
        ("CheckDate", Cell::from(day)),
        ("CheckAmt", Cell::Cents(cents)),
        ("CheckNum", format!("{:07}", desk.random.between(1, 9_999_999)).into()),
        ("CarrierName", format!("Carrier of plan {plan}").into()),
        ("ClinicNum", clinic.into()),
        ("DateIssued", day.into()),
        ("SecDateEntry", day.into()),
        ("SecDateTEdit", day.and_time(NaiveTime::MIN).into()),
    ];
    desk.rows.add("claimpayment", "ClaimPaymentNum", &fields)
}

/// Enters a payment with its splits; the sum of the dues is what is paid. Nothing is paid for none.
pub(super) fn pay(desk: &mut Desk, payer: i64, day: NaiveDate, dues: &[Due]) {
    let Some(first) = dues.first() else { return };
    let edited = desk.slot(day).min(desk.now);
    let kind = *desk.random.pick(&["Check", "Cash", "Card", "Card", "Online"]);
    let fields = [
        ("PayType", Cell::from(office::definition(Category::Payment, kind))),
        ("PayDate", day.into()),
        ("PayAmt", Cell::Cents(dues.iter().map(|due| due.cents).sum())),
        ("CheckNum", if kind == "Check" { desk.random.between(100, 9999).to_string() } else { String::new() }.into()),
        ("PayNote", if desk.random.chance(15) { desk.note() } else { "".into() }),
        ("IsSplit", i64::from(dues.len() > 1).into()),
        ("PatNum", payer.into()),
        ("ClinicNum", first.clinic.into()),
        ("DateEntry", day.into()),
        ("SecUserNumEntry", desk.user().into()),
        ("SecDateTEdit", edited.into()),
    ];
    let payment = desk.rows.add("payment", "PayNum", &fields);
    for due in dues {
        let unearned = if due.procedure == 0 { office::definition(Category::Unearned, "Prepayment") } else { 0 };
        let fields = [
            ("SplitAmt", Cell::Cents(due.cents)),
            ("PatNum", due.patient.into()),
            ("ProcDate", day.into()),
            ("PayNum", payment.into()),
            ("ProvNum", due.provider.into()),
            ("DatePay", day.into()),
            ("ProcNum", due.procedure.into()),
            ("DateEntry", day.into()),
            ("UnearnedType", unearned.into()),
            ("ClinicNum", due.clinic.into()),
            ("SecUserNumEntry", desk.user().into()),
            ("SecDateTEdit", edited.into()),
        ];
        desk.rows.add("paysplit", "SplitNum", &fields);
    }
    desk.log(4, payer, payment, edited, "Payment entered");
}

/// Adds to (or takes from) what is owed for a procedure.
pub(super) fn adjust(desk: &mut Desk, due: &Due, day: NaiveDate, kind: &str, cents: i64) {
    let edited = desk.slot(day).min(desk.now);
    let fields = [
        ("AdjDate", Cell::from(day)),
        ("AdjAmt", Cell::Cents(cents)),
        ("PatNum", due.patient.into()),
        ("AdjType", office::definition(Category::Adjustment, kind).into()),
        ("ProvNum", due.provider.into()),
        ("AdjNote", if desk.random.chance(30) { desk.note() } else { "".into() }),
        ("ProcDate", day.into()),
        ("ProcNum", due.procedure.into()),
        ("DateEntry", day.into()),
        ("ClinicNum", due.clinic.into()),
        ("SecUserNumEntry", desk.user().into()),
        ("SecDateTEdit", edited.into()),
    ];
    desk.rows.add("adjustment", "AdjNum", &fields);
}
