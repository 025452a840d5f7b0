-- What each patient owes: work done and adjustments, less what came in and was written off.
-- Placeholders: {patients}, the condition that a PatNum is wanted; {stamp}, what its stamp becomes.
update patient
join (
  select patient.PatNum, round(coalesce(sum(entry.amount), 0), 2) as balance
  from patient
  left join (
    select PatNum, ProcFee as amount from procedurelog where ProcStatus = 2 and {patients}
    union all
    select PatNum, AdjAmt from adjustment where {patients}
    union all
    select PatNum, -InsPayAmt - WriteOff from claimproc where Status in (1, 4) and {patients}
    union all
    select PatNum, -SplitAmt from paysplit where {patients}
  ) as entry on entry.PatNum = patient.PatNum
  where patient.{patients}
  group by patient.PatNum
) as owed on owed.PatNum = patient.PatNum
set patient.EstBalance = owed.balance, patient.DateTStamp = {stamp}
