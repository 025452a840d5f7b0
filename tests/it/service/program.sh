#!/bin/sh
# Stands in the place of the program in packages of the tests.
