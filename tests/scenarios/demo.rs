//! `make demo` does what the README says.

use mark21_lab::alone;
use mark21_lab::demo::show;

#[test]
fn the_demo_carries_ftp_and_survives_a_power_cut() {
    alone(|lab| {
        // From the disk by its boot loader: the whole way of a box in a rack.
        show(lab)?;
        lab.step("shown");
        Ok(())
    });
}
