//! What surrounds the care: forms, letters, charts, calls. Models need little of it; a real
//! database is mostly this.

use super::{
    desk::Desk,
    office::{self, Category},
    people::Patient,
    rows::Cell,
    words,
};
use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};

/// Fields of the form that every new patient fills in.
const FORM_FIELDS: [&str; 12] = [
    "LName",
    "FName",
    "Birthdate",
    "HmPhone",
    "Employer",
    "Allergies",
    "Medications",
    "Problems",
    "Physician",
    "ICEName",
    "Consent",
    "Signature",
];

/// Teeth that a gum chart measures, and kinds of measure.
const CHART_TEETH: i64 = 32;
const CHART_KINDS: i64 = 3;

/// Writes a patient's papers.
pub(super) fn write(desk: &mut Desk, patient: &Patient, since: NaiveDateTime) {
    form(desk, patient, since);
    for _ in 0..desk.random.between(1, 6) {
        let at = moment(desk, since);
        call(desk, patient.number, at);
    }
    health(desk, patient, since);
    recalls(desk, patient, since);
    if desk.random.chance(6) && !patient.child {
        gums(desk, patient, since);
    }
    oddments(desk, patient, since);
}

/// Some moment since then.
fn moment(desk: &mut Desk, since: NaiveDateTime) -> NaiveDateTime {
    let minutes = (desk.now - since).num_minutes().max(1);
    since + TimeDelta::minutes(desk.random.between(0, minutes))
}

fn form(desk: &mut Desk, patient: &Patient, since: NaiveDateTime) {
    let fields = [
        ("SheetType", Cell::from(12)),
        ("PatNum", patient.number.into()),
        ("DateTimeSheet", since.into()),
        ("Description", "New patient".into()),
        ("ClinicNum", patient.clinic.into()),
        ("FontName", "Helvetica".into()),
        ("DateTSheetEdited", since.into()),
    ];
    let sheet = desk.rows.add("sheet", "SheetNum", &fields);
    for (place, name) in FORM_FIELDS.into_iter().enumerate() {
        let fields = [
            ("SheetNum", Cell::from(sheet)),
            ("FieldType", 2.into()),
            ("FieldName", name.into()),
            ("FieldValue", desk.note()),
            ("XPos", 50.into()),
            ("YPos", (office::key_of(place) * 24).into()),
            ("Width", 200.into()),
            ("Height", 18.into()),
            ("TabOrder", office::key_of(place).into()),
        ];
        desk.rows.add("sheetfield", "SheetFieldNum", &fields);
    }
}

/// Notes a call or message.
pub(super) fn call(desk: &mut Desk, patient: i64, at: NaiveDateTime) {
    let kind = *desk.random.pick(&["Appointment", "Money", "Recall"]);
    let fields = [
        ("PatNum", Cell::from(patient)),
        ("CommDateTime", at.into()),
        ("CommType", office::definition(Category::Comm, kind).into()),
        ("Note", desk.note()),
        ("Mode_", desk.random.between(0, 5).into()),
        ("SentOrReceived", desk.random.between(1, 2).into()),
        ("UserNum", desk.user().into()),
        ("DateTEntry", at.into()),
        ("DateTStamp", at.into()),
    ];
    desk.rows.add("commlog", "CommlogNum", &fields);
}

fn health(desk: &mut Desk, patient: &Patient, since: NaiveDateTime) {
    let known = |list: &[&str], desk: &mut Desk| desk.random.between(1, office::key_of(list.len() - 1));
    if desk.random.chance(45) {
        // "Some time in November", as the form allows.
        let start = if patient.number % 50 == 0 { "2022-11-00" } else { "0001-01-01" };
        let fields = [
            ("PatNum", Cell::from(patient.number)),
            ("DiseaseDefNum", known(&words::PROBLEMS, desk).into()),
            ("PatNote", desk.note()),
            ("DateStart", start.into()),
            ("DateTStamp", since.into()),
        ];
        desk.rows.add("disease", "DiseaseNum", &fields);
        let fields = [
            ("PatNum", Cell::from(patient.number)),
            ("MedicationNum", known(&words::DRUGS, desk).into()),
            ("DateStart", since.date().into()),
            ("DateTStamp", since.into()),
        ];
        desk.rows.add("medicationpat", "MedicationPatNum", &fields);
    }
    if desk.random.chance(15) {
        let fields = [
            ("AllergyDefNum", Cell::from(known(&words::ALLERGENS, desk))),
            ("PatNum", patient.number.into()),
            ("Reaction", "Rash".into()),
            ("StatusIsActive", 1.into()),
            ("DateTStamp", since.into()),
        ];
        desk.rows.add("allergy", "AllergyNum", &fields);
    }
    for _ in 0..desk.random.between(0, 4) {
        let fields = [
            ("PatNum", Cell::from(patient.number)),
            ("ToothNum", desk.random.between(1, 32).to_string().into()),
            ("InitialType", desk.random.between(0, 2).into()),
            ("SecDateTEntry", since.into()),
            ("SecDateTEdit", since.into()),
        ];
        desk.rows.add("toothinitial", "ToothInitialNum", &fields);
    }
}

fn recalls(desk: &mut Desk, patient: &Patient, since: NaiveDateTime) {
    let never = NaiveDate::from_ymd_opt(1, 1, 1).expect("a day of the calendar");
    let due = since.date() + Days::new(183);
    let fields = [
        ("PatNum", Cell::from(patient.number)),
        ("DateDueCalc", due.into()),
        ("DateDue", if desk.random.chance(85) { due } else { never }.into()),
        ("DatePrevious", since.date().into()),
        // Six months, in OpenDental's packed form: years, months, weeks and days, a byte each.
        ("RecallInterval", (6 << 16).into()),
        ("RecallTypeNum", if patient.child { 2 } else { 1 }.into()),
        ("DateTStamp", since.into()),
    ];
    desk.rows.add("recall", "RecallNum", &fields);
}

fn gums(desk: &mut Desk, patient: &Patient, since: NaiveDateTime) {
    let at = moment(desk, since);
    let fields = [
        ("PatNum", Cell::from(patient.number)),
        ("ExamDate", at.date().into()),
        ("ProvNum", patient.hygienist.into()),
        ("DateTMeasureEdit", at.into()),
    ];
    let exam = desk.rows.add("perioexam", "PerioExamNum", &fields);
    for kind in 0..CHART_KINDS {
        for tooth in 1..=CHART_TEETH {
            // Minus one is "not measured".
            let mut depth = || if desk.random.chance(5) { -1 } else { desk.random.between(1, 6) };
            let depths = [depth(), depth(), depth(), depth(), depth(), depth()];
            let fields = [
                ("PerioExamNum", Cell::from(exam)),
                ("SequenceType", kind.into()),
                ("IntTooth", tooth.into()),
                ("ToothValue", (-1).into()),
                ("MBvalue", depths[0].into()),
                ("Bvalue", depths[1].into()),
                ("DBvalue", depths[2].into()),
                ("MLvalue", depths[3].into()),
                ("Lvalue", depths[4].into()),
                ("DLvalue", depths[5].into()),
                ("SecDateTEntry", at.into()),
                ("SecDateTEdit", at.into()),
            ];
            desk.rows.add("periomeasure", "PerioMeasureNum", &fields);
        }
    }
}

fn oddments(desk: &mut Desk, patient: &Patient, since: NaiveDateTime) {
    for _ in 0..desk.random.between(0, 3) {
        let at = moment(desk, since);
        let kind = *desk.random.pick(&["Bitewings", "Letters", "Photos"]);
        let fields = [
            ("Description", Cell::from(kind)),
            ("DateCreated", at.into()),
            ("DocCategory", office::definition(Category::Image, kind).into()),
            ("PatNum", patient.number.into()),
            ("FileName", format!("{}_{}.jpg", patient.number, at.and_utc().timestamp()).into()),
            ("ImgType", 1.into()),
            ("Note", desk.note()),
            ("DateTStamp", at.into()),
        ];
        desk.rows.add("document", "DocNum", &fields);
    }
    if desk.random.chance(20) {
        let fields = [
            ("PatNum", Cell::from(patient.number)),
            ("FieldName", "Hobby".into()),
            ("FieldValue", desk.note()),
            ("SecDateTEdit", since.into()),
        ];
        desk.rows.add("patfield", "PatFieldNum", &fields);
    }
    if desk.random.chance(10) {
        let fields = [
            ("PatNum", Cell::from(patient.number)),
            ("Description", desk.note()),
            ("UserNum", desk.user().into()),
            ("DateTimeEntry", since.into()),
        ];
        desk.rows.add("popup", "PopupNum", &fields);
        let fields = [
            ("TaskListNum", Cell::from(desk.random.between(1, 3))),
            ("KeyNum", patient.number.into()),
            ("Descript", desk.note()),
            ("ObjectType", 1.into()),
            ("UserNum", desk.user().into()),
            ("DateTimeEntry", since.into()),
            ("SecDateTEdit", since.into()),
        ];
        desk.rows.add("task", "TaskNum", &fields);
    }
}

/// Writes down what was planned together.
pub(super) fn treatment_plan(desk: &mut Desk, patient: &Patient, at: NaiveDateTime, procedures: &[i64]) {
    let fields = [
        ("PatNum", Cell::from(patient.number)),
        ("DateTP", at.date().into()),
        ("Heading", "Active treatment plan".into()),
        ("Note", desk.note()),
        ("TPStatus", 1.into()),
        ("SecDateTEdit", at.into()),
    ];
    let plan = desk.rows.add("treatplan", "TreatPlanNum", &fields);
    for procedure in procedures {
        let fields = [("TreatPlanNum", Cell::from(plan)), ("ProcNum", (*procedure).into())];
        desk.rows.add("treatplanattach", "TreatPlanAttachNum", &fields);
    }
}

/// Sends a statement of what is owed.
pub(super) fn statement(desk: &mut Desk, patient: &Patient, day: NaiveDate, cents: i64) {
    let fields = [
        ("PatNum", Cell::from(patient.guarantor)),
        ("DateSent", day.into()),
        ("DateRangeTo", day.into()),
        ("IsSent", 1.into()),
        ("BalTotal", Cell::Cents(cents)),
        ("StatementType", "NotSet".into()),
        ("DateTStamp", desk.slot(day).min(desk.now).into()),
    ];
    desk.rows.add("statement", "StatementNum", &fields);
}
