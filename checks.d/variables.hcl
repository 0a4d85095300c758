# What may differ from one installation to the next. A value comes from
# `--var env=test`, from a file (`--var-file`), or from LOKAHI_VAR_env.

variable "env" {
  type        = string
  default     = env("LOKAHI_ENV", "local")
  description = "Which installation this is; every check has it as a label."

  validation {
    condition     = contains(["local", "test", "prod"], var.env)
    error_message = "The environment is local, test or prod, not ${var.env}."
  }
}

variable "lokahid_port" {
  type        = number
  default     = 24253
  description = "Where lokahid listens; `cargo xtask up --port` sets it."

  validation {
    condition     = var.lokahid_port >= 1 && var.lokahid_port <= 65535
    error_message = "A port is a number from 1 to 65535."
  }
}

# Values with names. Whatever repeats is written down once.
locals {
  lokahid = "http://127.0.0.1:${var.lokahid_port}"
  duke    = "http://127.0.0.1:24254"
  hook    = "http://127.0.0.1:24255"
}
