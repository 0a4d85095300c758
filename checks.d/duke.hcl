# The grand old duke of York marches his men up the hill and down again: the site
# is up for some seconds, then down for some. Watch the events follow it.

check "duke_of_york" {
  url          = "${local.duke}/"
  every        = "1s"
  playbook_url = "https://github.com/Xe/lokahi#duke-of-york"
  labels       = { part = "sample" }

  # Believe the first failure. Without this block a check is down after two, so
  # that one lost packet wakes nobody.
  confirm {
    failures = 1
  }
}
