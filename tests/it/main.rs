//! The integration suite: one binary, real servers.

mod alerts;
mod calling_off;
mod config;
mod daemon;
mod demo;
mod discover;
mod doctor;
mod encoder;
mod faults;
mod full_size;
mod harness;
mod histories;
mod kill;
mod models;
mod orchestrator;
mod practice;
mod proxy;
mod ranks;
mod repository;
mod retries;
mod servers;
mod silence;
mod state;
mod sync;
mod types_page;
mod verify;
