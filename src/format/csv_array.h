/* Matrices as text: one row per line, numbers apart by commas, semicolons, tabs or blanks. */
#ifndef BL_FORMAT_CSV_ARRAY_H
#define BL_FORMAT_CSV_ARRAY_H
#include <bilens/format.h>

/* A matrix [rows, columns] of the file. A first line of names, or of the column numbers 0, 1, … that pandas
 * writes, is left out. `*data` is to be freed. BL_ERR_INPUT names line and column of what is no number, and
 * a line of another length. */
bool bl_csv_array_read(const char *path, bl_named_array *array, float **data, bl_error *err);
#endif
