{{ config(sql_header="set local timezone = 'Asia/Tokyo';", materialized='table') }}
select current_setting('timezone') as zone
