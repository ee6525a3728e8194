//! `make demo` does what the README says.

use mark21_lab::demo::show;
use mark21_lab::two_boxes;

#[test]
fn the_demo_carries_ftp_and_survives_a_power_cut() {
    two_boxes(|lab| {
        // From the disk by its boot loader: the whole way of a box in a rack.
        show(lab)?;
        lab.step("shown");
        Ok(())
    });
}
