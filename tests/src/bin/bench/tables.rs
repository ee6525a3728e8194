//! Large tables: the first apply and a plan with nothing to do, beside `ipvsadm` and `nft` in
//! the same director.

use anyhow::{Context, ensure};
use mark21_lab::tools::ipvsadm;
use mark21_lab::{Director, Lab, Result};

use crate::figures::{PAIRS, Series, line, parse_duration, timed};
use crate::rules::{apply, largest};

const TOOLS: &str = "export LD_LIBRARY_PATH=/run/tools; cd /run/tools;";
const LISTS: &str = "./ipvsadm -Sn > /dev/null && nft -j list ruleset > /dev/null";

pub(crate) fn bench(lab: &mut Lab) -> Result {
    let mut director = lab.boot(&largest(vec![ipvsadm(), apply()?])?)?;
    let status = director.wait_serving()?;
    lab.step(&format!("serving: {}", status["boot"]));
    // What follows is done to its kernel by hand.
    director.root("kill -STOP $(pidof mark21d); cp /config/mark21.toml /run/largest.toml")?;
    let saved = director.tool("ipvsadm -Sn | tee /run/saved")?;
    let count = |letter: &str| saved.lines().filter(|line| line.starts_with(letter)).count();
    println!("  {} services with {} real servers", count("-A"), count("-a"));
    ensure!(count("-a") == 4096, "{} real servers", count("-a"));
    first_apply(&mut director)?;
    nothing_to_do(&mut director)?;
    Ok(())
}

fn first_apply(director: &mut Director) -> Result {
    let [mut restore, mut ipvs, mut with_nft, mut process] = [const { Vec::new() }; 4].map(series);
    for _ in 0..PAIRS {
        empty(director)?;
        restore.push(timed(director, &format!("{TOOLS} ./ipvsadm -R < /run/saved"))?.1);
        empty(director)?;
        let (text, took) = timed(director, &format!("{TOOLS} ./apply /run/largest.toml"))?;
        ipvs.push(part(&text, "Ipvs")?);
        with_nft.push(part(&text, "Ipvs")? + part(&text, "Firewall")?);
        process.push(took);
    }
    line("ipvsadm -R into an empty table, s", &restore.text());
    line("mark21, first apply, IPVS part, s", &ipvs.text());
    line("mark21, first apply, IPVS and nft, s", &with_nft.text());
    line("mark21, first apply, whole process, checked afterwards, s", &process.text());
    line("ipvsadm -R / mark21's IPVS part (wanted: 5 or more)", &restore.over(&ipvs).text());
    line("ipvsadm -R / mark21's IPVS and nft", &restore.over(&with_nft).text());
    Ok(())
}

fn nothing_to_do(director: &mut Director) -> Result {
    let [mut lists, mut plan, mut process] = [const { Vec::new() }; 3].map(series);
    for _ in 0..PAIRS {
        lists.push(timed(director, &format!("{TOOLS} {LISTS}"))?.1);
        let (text, took) = timed(director, &format!("{TOOLS} ./apply /run/largest.toml"))?;
        let round = text.lines().find(|line| line.starts_with("round 1: 0 changes, observed in "));
        let round = round.with_context(|| format!("there was something to do: {text}"))?;
        plan.push(parse_duration(round.rsplit(' ').next().unwrap_or_default())?);
        process.push(took);
    }
    line("ipvsadm -Sn, then nft -j list ruleset, s", &lists.text());
    line("mark21, a plan with nothing to do, nft included, s", &plan.text());
    line("mark21, the same as a process that reads the file first, s", &process.text());
    line("mark21 / ipvsadm and nft (wanted: 1.5 or less)", &plan.over(&lists).text());
    line("mark21's process / ipvsadm and nft", &process.over(&lists).text());
    Ok(())
}

fn series(_: Vec<f64>) -> Series {
    Series::default()
}

/// No rules, no services.
fn empty(director: &mut Director) -> Result {
    director.tool("ipvsadm -C")?;
    director.root("nft flush ruleset")?;
    Ok(())
}

/// `  Ipvs: 4353 changes in 0.21s` of the first round, in seconds.
fn part(text: &str, name: &str) -> Result<f64> {
    let start = format!("  {name}: ");
    let line = text.lines().find(|line| line.starts_with(&start));
    let line = line.with_context(|| format!("no {name} in {text}"))?;
    parse_duration(line.rsplit(' ').next().unwrap_or_default())
}
