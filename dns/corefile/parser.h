/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_PARSER_H
#define BINNACLE_DNS_COREFILE_PARSER_H

/* Tokens to the tree: server blocks, lines and bodies, snippets and imports.
 *
 *	file  := { snippet | "import" NAME | block }
 *	block := KEY { [","] KEY } ( "{" lines "}" | lines up to the file's end )
 *	snippet := "(" NAME ")" "{" any tokens "}"
 *	lines := { "import" NAME | line }
 *	line  := WORD { WORD } [ "{" lines "}" ] end of line
 *
 * A brace must be closed in the file or snippet in which it was opened. */

#include "import.h"

#define PARSER_SNIPPET_EXPANSIONS 10000u
#define PARSER_NESTING            32u

/* Parse root and what it imports into importer->corefile. 0, or negative with the
 * message in err. */
int parser_run(
	struct importer *importer, const struct import_file *root, char err[COREFILE_ERROR_MAX]);

#endif
