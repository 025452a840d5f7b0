-- What each family owes, by age. What was paid covers the oldest charges first, so what is owed
-- lies on the youngest ones.
-- Placeholders: {guarantors} and {patients}, the conditions that a Guarantor and that a PatNum of
-- such a family is wanted; {today}; {stamp}, what the patient's stamp becomes.
update patient
join (
  select
    family.Guarantor,
    family.balance,
    round(sum(if(datediff({today}, charge.day) <= 30, charge.owed, 0)), 2) as upto_30,
    round(sum(if(datediff({today}, charge.day) between 31 and 60, charge.owed, 0)), 2) as upto_60,
    round(sum(if(datediff({today}, charge.day) between 61 and 90, charge.owed, 0)), 2) as upto_90,
    round(sum(if(datediff({today}, charge.day) > 90, charge.owed, 0)), 2) as over_90
  from (
    select Guarantor, round(sum(EstBalance), 2) as balance from patient where {guarantors} group by Guarantor
  ) as family
  left join (
    select charged.Guarantor, charged.day,
      greatest(0, least(charged.amount, charged.balance - charged.younger)) as owed
    from (
      select member.Guarantor, entry.day, entry.amount, total.balance,
        sum(entry.amount) over (
          partition by member.Guarantor order by entry.day desc, entry.amount
          rows between unbounded preceding and current row
        ) - entry.amount as younger
      from (
        select PatNum, ProcDate as day, ProcFee as amount from procedurelog
        where ProcStatus = 2 and ProcFee > 0 and {patients}
        union all
        select PatNum, AdjDate, AdjAmt from adjustment where AdjAmt > 0 and {patients}
      ) as entry
      join patient as member on member.PatNum = entry.PatNum
      join (
        select Guarantor, round(sum(EstBalance), 2) as balance from patient where {guarantors} group by Guarantor
      ) as total on total.Guarantor = member.Guarantor
    ) as charged
  ) as charge on charge.Guarantor = family.Guarantor
  group by family.Guarantor, family.balance
) as aged on aged.Guarantor = patient.PatNum
set
  patient.BalTotal = aged.balance,
  patient.Bal_0_30 = coalesce(aged.upto_30, 0),
  patient.Bal_31_60 = coalesce(aged.upto_60, 0),
  patient.Bal_61_90 = coalesce(aged.upto_90, 0),
  patient.BalOver90 = coalesce(aged.over_90, 0),
  patient.DateTStamp = {stamp}
