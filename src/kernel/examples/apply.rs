//! Applies a configuration file to this machine: `apply FILE`, or `apply fail-secure`.
//!
//! Prints each change with the time it took, the same summed up by part of the kernel, then what
//! a second plan would still change. `make bench` runs it inside a director.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use mark21_kernel::Kernel;
use mark21_reconcile::{Desired, Overrides, plan};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: apply FILE")?;
    let mut kernel = Kernel::open()?;
    let machine = kernel.machine()?;
    let begin = Instant::now();
    let desired = if file == "fail-secure" {
        Desired::fail_secure()
    } else {
        let text = std::fs::read_to_string(&file)?;
        let parsed = mark21_config::parse(&text).map_err(|findings| format!("{findings:.400?}"))?;
        Desired::from_config(&parsed.config, &machine, &Overrides::default())
    };
    println!("{} MiB, desired in {:?}", machine.memory_bytes >> 20, begin.elapsed());
    for missing in &desired.missing {
        println!("{missing}");
    }
    for round in 1..=3 {
        let begin = Instant::now();
        let observed = kernel.observe(&desired)?;
        let (seen, plan) = (begin.elapsed(), plan(&desired, &observed));
        println!("round {round}: {} changes, observed in {seen:?}", plan.changes.len());
        if plan.is_empty() {
            return Ok(());
        }
        let begin = Instant::now();
        let mut last = begin;
        let mut parts = BTreeMap::<_, (usize, Duration)>::new();
        let applied = kernel.apply(&plan, |change| {
            let part = parts.entry(change.domain()).or_default();
            *part = (part.0 + 1, part.1 + last.elapsed());
            if plan.changes.len() < 200 || last.elapsed().as_millis() > 20 {
                println!("  {change} ({}, {:?})", change.when(), last.elapsed());
            }
            last = Instant::now();
        });
        println!("round {round}: applied in {:?}", begin.elapsed());
        for (domain, (count, took)) in parts {
            println!("  {domain:?}: {count} changes in {took:?}");
        }
        if let Err(error) = applied {
            println!("{error}: {}", error.source().map_or_else(String::new, ToString::to_string));
            return Err("not applied".into());
        }
    }
    Err("there is always something left to do".into())
}
