/* Starting the program again, in another environment. */
#ifndef BL_CLI_START_H
#define BL_CLI_START_H

/* Replaces this process by the same program with these arguments; returns where that fails. */
void start_again(char **argv, char **environment);
#endif
