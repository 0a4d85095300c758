# While somebody works on it, nobody is told, and it is no downtime: docs/operating.md.

maintenance "shop_backup" {
  cron     = "0 3 * * sun"
  duration = "1h"
  timezone = "Europe/Berlin"
  reason   = "The shop is backed up."

  match {
    names = ["shop_*"]
  }
}
